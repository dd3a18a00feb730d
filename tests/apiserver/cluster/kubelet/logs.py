"""The part of a kubelet's server that `kubectl logs` needs, `--follow` and `--previous` too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable

from aiohttp import web

from tests.apiserver.cluster.kubelet.container import Container
from tests.apiserver.cluster.kubelet.pod import PodRunner
from tests.apiserver.cluster.kubelet.settings import Settings


class LogServer:
    def __init__(self, runners: Callable[[], Iterable[PodRunner]]) -> None:
        self._runners = runners

    async def start(self, settings: Settings) -> int:
        """The port it listens on."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(settings.tls_certificate, settings.tls_key)
        site = web.TCPSite(runner, settings.host_ip, 0, ssl_context=tls)
        await site.start()
        return int(runner.addresses[0][1])

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        container = self._container(**request.match_info)
        restart = container.state.restarts
        if request.query.get("previous") == "true":
            restart -= 1
        path = container.log(restart)
        if not path.exists():
            raise web.HTTPNotFound(text=f"{container.name} has no log yet")
        data = path.read_bytes()
        offset = len(data)
        if "tailLines" in request.query:
            lines = data.splitlines(keepends=True)
            data = b"".join(lines[max(0, len(lines) - int(request.query["tailLines"])) :])
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(data)
        while request.query.get("follow") == "true":
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            offset += len(data)
            await response.write(data)
            ended = container.process is None or not container.process.running
            if not data and (ended or container.state.restarts != restart):
                break
            await asyncio.sleep(0.1)
        return response

    def _container(self, namespace: str, pod: str, container: str) -> Container:
        for runner in self._runners():
            if runner.key == f"{namespace}/{pod}":
                return runner.container(container)
        raise web.HTTPNotFound(text=f"{namespace}/{pod} is not on this node")
