"""Sends one Pod's status: the newest, coalesced, and until the server has it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tests.apiserver.cluster.client import ApiError
from tests.apiserver.cluster.kubelet.api import STRATEGIC, Api, Object, insist
from tests.apiserver.cluster.kubelet.events import timestamp
from tests.apiserver.cluster.kubelet.status import compose

if TYPE_CHECKING:
    from tests.apiserver.cluster.kubelet.pod import PodRunner

log = logging.getLogger("status")


class Publisher:
    def __init__(self, api: Api, runner: PodRunner) -> None:
        self._api = api
        self._runner = runner
        self._dirty = asyncio.Event()
        self._sent: Object | None = None
        self._gone = False
        self._lock = asyncio.Lock()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        self._dirty.set()

    def observed(self, pod: Object) -> None:
        """Repeats what was sent where somebody else (a controller, at a lost node) undid it."""
        if self._sent is None:
            return
        shown = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
        ready = next(one for one in self._sent["conditions"] if one["type"] == "Ready")
        if shown.get("Ready") != ready["status"]:
            self._sent = None
        self._dirty.set()

    def stop(self) -> None:
        self._gone = True
        self._task.cancel()

    async def flush(self) -> None:
        """Sends what is not sent yet."""
        async with self._lock:
            await self._send()

    async def _run(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            async with self._lock:
                await self._send()

    async def _send(self) -> None:
        runner = self._runner
        body = compose(runner.state, runner.pod, timestamp())
        if self._gone or body == self._sent:
            return
        meta = runner.pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status"
        patch = {"metadata": {"uid": runner.uid}, "status": body}
        try:
            await insist(lambda: self._api.patch(path, patch, STRATEGIC))
            self._sent = body
        except ApiError as error:
            if error.status in (404, 409):
                self._gone = True
            else:
                log.warning("%s: %s", runner.key, error)
