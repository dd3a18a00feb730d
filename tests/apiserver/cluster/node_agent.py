"""A kubelet's stand-in, as a program: `python -m tests.apiserver.cluster.node_agent SETTINGS.json`.

It registers a node and runs the Pods that the scheduler puts there as local processes, each Pod
with a loopback address of its own as Pod IP: programs listen on `status.podIP`, not on 0.0.0.0.
Not done: cgroups, users (`runAsUser`), images' files, network namespaces, `kubectl exec`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import signal
import sys
from pathlib import Path

from tests.apiserver.cluster.client import ApiError
from tests.apiserver.cluster.kubelet import process, registration, settings
from tests.apiserver.cluster.kubelet.api import UNREACHABLE, Api, Object
from tests.apiserver.cluster.kubelet.context import Context
from tests.apiserver.cluster.kubelet.control import Control
from tests.apiserver.cluster.kubelet.events import Recorder
from tests.apiserver.cluster.kubelet.logs import LogServer
from tests.apiserver.cluster.kubelet.pod import PodRunner

log = logging.getLogger("agent")
PODS = "/api/v1/pods"


class Agent:
    """Runners by the Pods' uids, kept in step with a list and a watch."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runners: dict[str, PodRunner] = {}
        self._mine = {"fieldSelector": f"spec.nodeName={context.settings.node}"}

    async def run(self) -> None:
        known = self._context.settings
        port = await LogServer(self._runners.values).start(known)
        async with asyncio.TaskGroup() as group:
            group.create_task(registration.keep(self._context.api, known, port))
            group.create_task(self._follow())
            group.create_task(Control(self._runners.values).serve(known.socket))

    async def stop(self) -> None:
        await asyncio.gather(*(one.kill() for one in self._runners.values()))

    async def _follow(self) -> None:
        """A list replaces all that was known; events change it; any error starts over."""
        delay = 0.1
        while True:
            try:
                listed = await self._context.api.get(PODS, **self._mine)
                self._replace(listed["items"])
                delay = 0.1
                version = listed["metadata"]["resourceVersion"]
                async for event in self._context.api.watch(PODS, version, **self._mine):
                    if event["type"] == "DELETED":
                        self._gone(event["object"]["metadata"]["uid"])
                    elif event["type"] in ("ADDED", "MODIFIED"):
                        self._observe(event["object"])
            except (ApiError, *UNREACHABLE) as error:
                log.warning("watch: %s", error or type(error).__name__)
                await asyncio.sleep(delay)
                delay = min(2 * delay, 1.0)

    def _replace(self, pods: list[Object]) -> None:
        for uid in self._runners.keys() - {pod["metadata"]["uid"] for pod in pods}:
            self._gone(uid)
        for pod in pods:
            self._observe(pod)

    def _observe(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._runners:
            status = pod["status"]
            if status.get("phase") in ("Succeeded", "Failed"):
                return  # its end was reported before this agent began
            lost = bool(status.get("containerStatuses"))
            self._runners[uid] = PodRunner(pod, self._context, lost)
        self._runners[uid].observe(pod)

    def _gone(self, uid: str) -> None:
        runner = self._runners.pop(uid, None)
        if runner is not None:
            runner.vanished()


async def main() -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what a launcher left behind is reaped here
    known = settings.read(Path(sys.argv[1]))
    async with Api(known.server, known.ca_file, known.token) as api:
        kind = known.isolation or process.isolation()
        context = Context(known, api, Recorder(api, known.node), kind)
        log.info("%s: isolation %s", known.node, context.isolation)
        agent = Agent(context)
        running = asyncio.ensure_future(agent.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await agent.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(main())
