"""The Kubernetes API over HTTPS with the standard library: what tests need, no more."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

Object = dict[str, Any]
_PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiError(Exception):
    """The server's refusal."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status} {body.get('reason', '')}: {body.get('message', body)}")
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.body = body


class Timeout(AssertionError):
    """What was waited for did not come true; the message shows what was seen last."""


@dataclass
class Client:
    """`get("/api/v1/namespaces/x/pods", labelSelector=…)`; one connection per thread.

    Without a `ca` it speaks plain HTTP: to `kubectl proxy`, which says who asks.
    """

    host: str
    port: int
    ca: str
    token: str
    timeout: float = 15.0
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @property
    def server(self) -> str:
        return f"{'https' if self.ca else 'http'}://{self.host}:{self.port}"

    def get(self, path: str, **query: str) -> Object:
        return self.request("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[Object]:
        found: list[Object] = self.get(path, **query)["items"]
        return found

    def find(self, path: str) -> Object | None:
        """The object, or None where there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, body: Object) -> Object:
        return self.request("POST", path, body)

    def patch(self, path: str, body: Any, kind: str = "merge") -> Object:
        query = {"fieldManager": "tests", "force": "true"} if kind == "apply" else {}
        return self.request("PATCH", path, body, query, _PATCHES[kind])

    def delete(self, path: str, grace: int | None = None, **query: str) -> Object:
        if grace is not None:
            query["gracePeriodSeconds"] = str(grace)
        return self.request("DELETE", path, query=query)

    def wait(
        self,
        path: str,
        holds: Callable[[Object], object],
        seconds: float = 30,
    ) -> Object:
        """The object as soon as `holds` is true of it; {} stands for one that does not exist."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.find(path) or {}
            if holds(found):
                return found
            if time.monotonic() > deadline:
                seen = json.dumps(found.get("status", found), indent=1)[:4000]
                raise Timeout(f"{path}: not as expected after {seconds:g} s; last seen:\n{seen}")
            time.sleep(0.05)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        target = path + ("?" + urlencode(query) if query else "")
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = content_type
        deadline = time.monotonic() + self.timeout
        while True:
            status, raw = self._send(method, target, data, headers)
            if status != 429 or time.monotonic() > deadline:  # "Later": a kind's storage starts up.
                break
            time.sleep(0.1)
        text = raw.decode(errors="replace")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"message": text}
        if status >= 400:
            raise ApiError(status, answer if isinstance(answer, dict) else {"message": text})
        return answer if isinstance(answer, dict) else {"message": text}

    def _send(
        self, method: str, target: str, data: str | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        for last in (False, True):  # a kept connection may have been closed by the server
            fresh = getattr(self._local, "connection", None) is None
            connection = self.connection()
            try:
                connection.request(method, target, data, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self.close()
                if last or fresh:
                    raise
        raise AssertionError("unreachable")

    def connection(self) -> http.client.HTTPConnection:
        """This thread's."""
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
        return found

    def _connect(self) -> http.client.HTTPConnection:
        if not self.ca:
            return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        context = ssl.create_default_context(cadata=self.ca)
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=self.timeout, context=context
        )

    def close(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None
