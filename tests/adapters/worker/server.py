"""A worker's `control` port under a test's control: real HTTPS, answers as the test says."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from population_operator.adapters.worker.credentials import Credentials, derive
from population_operator.adapters.worker.link import Address, WorkerLink
from tests.conformance.loop import until

CREDENTIALS = derive(bytes(32), "uid-1")
Answer = Callable[[web.Request], web.StreamResponse | None]


@dataclass
class FakeWorker:
    """w0, incarnation 1. `events` are told to who asks for what comes after them.

    `on_put` and `on_wait` may answer in the worker's place; None leaves it to the worker. One that
    `hangs` takes requests, and answers none of them.
    """

    credentials: Credentials
    events: list[dict[str, Any]] = field(default_factory=list)
    directives: list[dict[str, Any]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    on_put: Answer = lambda request: None
    on_wait: Answer = lambda request: None
    name: str = "w0"
    incarnation: int = 1
    port: int = 0
    connections: set[int] = field(default_factory=set)
    hangs: bool = False

    def report(self, step: int, **fields: Any) -> None:
        """One more report of m0."""
        report = {"directive": 1, "member": "m0", "step": step, "score": 0.5, **fields}
        self.tell("report", report=report)

    def tell(self, kind: str, **fields: Any) -> None:
        self.events.append({"cursor": len(self.events) + 1, "kind": kind, **fields})

    @asynccontextmanager
    async def serve(self, folder: Path) -> AsyncIterator[FakeWorker]:
        """Listen on a free port (the same one again, if it listened before)."""
        app = web.Application()
        app.router.add_get("/v1/wait", self._wait)
        app.router.add_put("/v1/directive", self._put)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._tls(folder))
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    def _tls(self, folder: Path) -> ssl.SSLContext:
        for name, data in (
            ("crt", self.credentials.certificate_pem),
            ("key", self.credentials.key_pem),
        ):
            (folder / name).write_bytes(data)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "crt", folder / "key")
        return context

    async def _wait(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        after = int(request.query["after"])
        self.asked.append(after)
        if answer := self.on_wait(request):
            return answer
        if self.hangs:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(float(request.query["timeout"]), 25)
        while len(self.events) <= after and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return web.json_response(
            {
                "worker": self.name,
                "incarnation": self.incarnation,
                "directive": 1,
                "waiting": False,
                "step": 0,
                "cursor": max(after, len(self.events)),
                "events": self.events[after:],
            }
        )

    async def _put(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        body = json.loads(await request.read())
        if answer := self.on_put(request):
            return answer
        self.directives.append(body)
        return web.json_response({"directive": body["id"]})

    def _note(self, request: web.Request) -> None:
        self.tokens.add(request.headers.get("Authorization", ""))
        if request.transport is not None:
            self.connections.add(request.transport.get_extra_info("peername")[1])


@asynccontextmanager
async def linked(
    worker: FakeWorker,
    credentials: Credentials | None = None,
    wake: Callable[[], None] = int,
    cursor: int = 0,
) -> AsyncIterator[WorkerLink]:
    """A link to the worker; with other credentials than its own, where they are given."""
    trusted = credentials or worker.credentials
    address = Address(f"https://127.0.0.1:{worker.port}", trusted.token, trusted.fingerprint)
    async with aiohttp.ClientSession() as session:
        link = WorkerLink(session, address, "w0", 1, wake, cursor=cursor)
        link.start()
        try:
            yield link
        finally:
            await link.close()


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait until it is so, ten seconds at most."""

    async def met() -> bool:
        return bool(condition())

    await until(met, what, seconds=10)
