"""The control port: the operator puts directives and waits for events.

HTTPS with a bearer token; see "control port" in docs/worker-contract.md.
"""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from population_worker import wire
from population_worker.directive import parse_directive
from population_worker.environment import Control
from population_worker.mailbox import Batch, Mailbox, Refused
from population_worker.serving import Handler, Server
from population_worker.wire import InvalidMessage

_MAX_BODY_BYTES = 4 * 2**20
_MAX_WAIT_SECONDS = 60.0
_DEFAULT_WAIT_SECONDS = 25.0


def serve_control(control: Control, worker: str, mailbox: Mailbox) -> Server:
    """Start to listen; raises OSError where the port is taken, ssl.SSLError for a bad key."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.load_cert_chain(control.certificate, control.key)
    handler = type(
        "ControlHandler",
        (_ControlHandler,),
        {"mailbox": mailbox, "worker": worker, "authorization": f"Bearer {control.token}"},
    )
    return Server(control.host, control.port, handler, tls)


class _ControlHandler(Handler):
    mailbox: ClassVar[Mailbox]
    worker: ClassVar[str]
    authorization: ClassVar[str]

    def do_PUT(self) -> None:  # noqa: N802
        if not self._is_allowed("/v1/directive"):
            return
        try:
            directive = parse_directive(wire.loads(self._body()))
            self.mailbox.put(directive)
        except InvalidMessage as error:
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)})
        except Refused as refused:
            held = self.mailbox.held
            answer = {
                "directive": None if held is None else held.id,
                "incarnation": self.mailbox.incarnation,
                "error": str(refused),
            }
            self._answer(HTTPStatus.CONFLICT, answer)
        else:
            self._answer(HTTPStatus.OK, {"directive": directive.id})

    def do_GET(self) -> None:  # noqa: N802
        if not self._is_allowed("/v1/wait"):
            return
        try:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            after = _parse_cursor(query.get("after", ["0"])[-1])
            timeout = _parse_timeout(query.get("timeout", [str(_DEFAULT_WAIT_SECONDS)])[-1])
        except InvalidMessage as error:
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)})
            return
        self._write(HTTPStatus.OK, self._batch(self.mailbox.read(after, timeout)))

    def _is_allowed(self, path: str) -> bool:
        """Check the token, then the path; answer for what is refused."""
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self.authorization.encode()):
            self.close_connection = True  # a body may follow that we do not want to read
            self._answer(HTTPStatus.UNAUTHORIZED, {"error": "no token, or a wrong one"}, "Bearer")
            return False
        if urlsplit(self.path).path != path:
            self.close_connection = True
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"{self.command} knows only {path}"})
            return False
        return True

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= _MAX_BODY_BYTES):
            self.close_connection = True
            raise InvalidMessage(f"body: needs a Content-Length of at most {_MAX_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _batch(self, batch: Batch) -> bytes:
        head = {
            "worker": self.worker,
            "incarnation": self.mailbox.incarnation,
            "directive": batch.directive,
            "waiting": batch.waiting,
            "step": batch.step,
            "cursor": batch.cursor,
        }
        # Events were written as JSON when they were published; a reader may ask from 0 again.
        return f'{wire.dumps(head)[:-1]},"events":[{",".join(batch.events)}]}}'.encode()

    def _answer(
        self, status: HTTPStatus, answer: Mapping[str, object], challenge: str | None = None
    ) -> None:
        headers = {} if challenge is None else {"WWW_Authenticate": challenge}
        self._write(status, wire.dumps(answer).encode(), **headers)

    def _write(self, status: HTTPStatus, body: bytes, **headers: str) -> None:
        self.respond(status, body, "application/json", **headers)


def _parse_cursor(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise InvalidMessage(f"after: {value[:40]!r} is not a cursor")
    return int(value)


def _parse_timeout(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MAX_WAIT_SECONDS:
        raise InvalidMessage(f"timeout: {value[:40]!r} is not within 0 and 60 seconds")
    return seconds
