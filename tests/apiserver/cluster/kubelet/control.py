"""The tests' hooks: one JSON object a line over a Unix socket, one answer a line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterable

from tests.apiserver.cluster.kubelet.api import Object
from tests.apiserver.cluster.kubelet.pod import PodRunner


class Control:
    def __init__(self, runners: Callable[[], Iterable[PodRunner]]) -> None:
        self._runners = runners

    async def serve(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        server = await asyncio.start_unix_server(self._connected, path)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self._answer(json.loads(await reader.readline()))
        except (LookupError, ValueError) as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    def _answer(self, request: Object) -> Object:
        if request["do"] == "list":
            return {"pods": [_shown(one) for one in self._runners() if not one.done.is_set()]}
        runner = self._running(request["pod"])
        match request["do"]:
            case "evict":
                resource = request["resource"]
                runner.fail("Evicted", f"The node was low on resource: {resource}. ")
            case "signal" | "oom":
                container = runner.container(request["container"])
                if container.process is None or not container.process.running:
                    raise LookupError(f"{runner.key}: container {container.name} does not run")
                container.out_of_memory = request["do"] == "oom"
                number = request.get("signal", signal.SIGKILL)
                container.process.signal(number)
            case other:
                raise LookupError(f"no such request: {other}")
        return {}

    def _running(self, key: str) -> PodRunner:
        for runner in self._runners():
            if runner.key == key and not runner.done.is_set():
                return runner
        raise LookupError(f"{key} does not run here")


def _shown(runner: PodRunner) -> Object:
    return {
        "pod": runner.key,
        "uid": runner.uid,
        "ip": runner.addresses.pod,
        "containers": {
            one.name: one.process.pid
            for one in runner.all_containers()
            if one.process is not None and one.process.running
        },
    }
