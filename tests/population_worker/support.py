"""What the tests of the SDK share: an operator's side of the contract, and builders.

Inputs: directives over real HTTPS, real files in a temporary folder. Outputs: the answers, the
events, the checkpoints, the exit status. Nothing is mocked.
"""

from __future__ import annotations

import datetime
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from population_worker import Environment, Session
from population_worker.environment import Control

TOKEN = "a-secret"
PROGRAMS = Path(__file__).parent / "programs"
SDK = Path(__file__).parents[2] / "worker-image"


def directive(id: int = 1, **changes: Any) -> dict[str, Any]:
    """A directive to start m0, with changes."""
    return {
        "id": id,
        "incarnation": 1,
        "member": "m0",
        "kind": "start",
        "hyperparameters": {"lr": 0.1},
        "immutable": [],
        "restore": None,
        "resumes": [],
        "until": 10,
        "max_steps": 100,
        "seed": 42,
        "forget": [],
        **changes,
    }


def ref(member: str, directive_id: int, step: int) -> dict[str, Any]:
    """A checkpoint reference."""
    return {"member": member, "directive": directive_id, "step": step}


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed Ed25519 certificate and its key; return their paths."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "worker")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, None)
    )
    paths = folder / "tls.crt", folder / "tls.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


class Operator:
    """The other side: one keep-alive connection that pins the certificate."""

    def __init__(self, port: int, certificate: Path, token: str = TOKEN) -> None:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
        self.headers = {"Authorization": f"Bearer {token}"}

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        self.connection.request(method, path, body, self.headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def put(self, message: dict[str, Any]) -> tuple[int, Any]:
        return self.request("PUT", "/v1/directive", json.dumps(message).encode())

    def send(self, message: dict[str, Any]) -> None:
        status, answer = self.put(message)
        assert status == 200, answer

    def wait(self, after: int = 0, timeout: float = 20) -> Any:
        status, answer = self.request("GET", f"/v1/wait?after={after}&timeout={timeout}")
        assert status == 200, answer
        return answer

    def events(self, kind: str, count: int = 1, timeout: float = 20) -> list[dict[str, Any]]:
        """Wait until there are `count` events of a kind; return all of that kind."""
        deadline, cursor, found = time.monotonic() + timeout, 0, []
        while len(found) < count:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(found)} of {count} {kind} after {timeout} s"
            answer = self.wait(cursor, min(left, 20))
            cursor = answer["cursor"]
            found += [event for event in answer["events"] if event["kind"] == kind]
        return found

    def train(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a directive and wait for the report that completes it."""
        self.send(message)
        cursor, deadline = 0, time.monotonic() + 20
        while time.monotonic() < deadline:
            answer = self.wait(cursor, 5)
            cursor = answer["cursor"]
            for report in (e["report"] for e in answer["events"] if e["kind"] == "report"):
                if report["directive"] == message["id"] and report["step"] >= message["until"]:
                    return dict(report)
        raise AssertionError(f"no report under directive {message['id']}")

    def reports(self, count: int) -> list[dict[str, Any]]:
        return [event["report"] for event in self.events("report", count)]


class Worker:
    """A program that runs in a thread of the test, with an operator connected to it."""

    def __init__(self, program: Callable[[Session], None], environment: Environment) -> None:
        assert environment.control is not None
        self.session = Session(environment=environment)
        self._program = program
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)
        self._certificate = environment.control.certificate
        self.operator = self.connect()

    def connect(self, token: str = TOKEN) -> Operator:
        """Another connection."""
        return Operator(self.session.ports["control"], self._certificate, token)

    def _run(self) -> None:
        try:
            with self.session as session:
                self._ready.set()
                self._program(session)
        except BaseException as error:
            self._error = error

    def join(self, timeout: float = 20) -> None:
        """Wait for the program's end; raises what it raised."""
        self._thread.join(timeout)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        self.session.stop()
        self.join()

    def metrics(self) -> str:
        port = self.session.ports["metrics"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text


def environment(root: Path, tls: tuple[Path, Path], **changes: Any) -> Environment:
    """An operated worker's environment on free ports."""
    control = Control("127.0.0.1", 0, TOKEN, *tls)
    settings: dict[str, Any] = {
        "experiment": "digits",
        "worker": "w0",
        "checkpoints": root,
        "host": "127.0.0.1",
        "metrics_port": 0,
        "control": control,
        "save_retry_seconds": 0.5,
        **changes,
    }
    return Environment(**settings)


class Process:
    """A program of `programs/` in a process of its own."""

    def __init__(
        self,
        program: str,
        root: Path,
        tls: tuple[Path, Path],
        first: dict[str, Any] | None,
        **variables: str,
    ) -> None:
        port = _free_port()
        token_file = tls[0].with_name("token")
        token_file.write_text(TOKEN)
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("POPULATION_")},
            "PYTHONPATH": f"{SDK}:{Path(__file__).parents[2]}",
            "POPULATION_EXPERIMENT": "digits",
            "POPULATION_WORKER": "w0",
            "POPULATION_INCARNATION": str(first["incarnation"] if first else 1),
            "POPULATION_CHECKPOINTS": str(root),
            "POPULATION_HOST": "127.0.0.1",
            "POPULATION_CONTROL_PORT": str(port),
            "POPULATION_METRICS_PORT": "0",
            "POPULATION_TOKEN_FILE": str(token_file),
            "POPULATION_TLS_CERT_FILE": str(tls[0]),
            "POPULATION_TLS_KEY_FILE": str(tls[1]),
            **variables,
        }
        if first:
            environ["POPULATION_DIRECTIVE"] = json.dumps(first)
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(PROGRAMS / program)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._port, self._certificate = port, tls[0]

    def connect(self) -> Operator:
        """Connect; the program listens once it has printed its first line."""
        return Operator(self._port, self._certificate)

    def lines(self) -> Iterator[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.rstrip("\n")

    def until(self, wanted: str) -> None:
        """Read the output up to a line."""
        seen = []
        for line in self.lines():
            if line == wanted:
                return
            seen.append(line)
        raise AssertionError(f"no {wanted!r} in {seen}; {self.finish()}")

    def finish(self, timeout: float = 20) -> tuple[int, str]:
        """Wait for the end; return the exit status and stderr."""
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
