"""One Pod's life on this node: volumes, init containers, containers, deletion; and its status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.apiserver.cluster.client import ApiError
from tests.apiserver.cluster.kubelet import api
from tests.apiserver.cluster.kubelet.api import UNREACHABLE, Object
from tests.apiserver.cluster.kubelet.container import Container
from tests.apiserver.cluster.kubelet.context import Context
from tests.apiserver.cluster.kubelet.environment import Addresses, ConfigError, decoded
from tests.apiserver.cluster.kubelet.events import timestamp
from tests.apiserver.cluster.kubelet.publisher import Publisher
from tests.apiserver.cluster.kubelet.status import PodState, phase
from tests.apiserver.cluster.kubelet.volumes import MountFailed, Volumes

log = logging.getLogger("pod")
PLURALS = {"Secret": "secrets", "ConfigMap": "configmaps"}


class PodRunner:
    """Starts with its creation. `observe` each newer version of the object; `vanished` at its end.

    `done` is set once nothing of it runs or will.
    """

    def __init__(self, pod: Object, context: Context, lost: bool = False) -> None:
        meta = pod["metadata"]
        self.pod = pod
        self.context = context
        self.uid: str = meta["uid"]
        self.key = f"{meta['namespace']}/{meta['name']}"
        self.ending = False
        self.done = asyncio.Event()
        settings = context.settings
        self.folder = Path(settings.folder) / f"{meta['namespace']}_{meta['name']}_{self.uid}"
        host, port = settings.server.removeprefix("https://").split(":")
        address = pod["status"].get("podIP") or context.address()
        self.addresses = Addresses(address, settings.host_ip, host, port)
        self.volumes = Volumes(context.api, pod, self.folder, Path(settings.memory), self.addresses)
        self._policy: str = pod["spec"].get("restartPolicy", "Always")
        self._init = [Container(one, self, self._changed) for one in self._specs("init")]
        self.containers = [Container(one, self, self._changed) for one in self._specs("")]
        self.state = PodState(
            [one.state for one in self._init],
            [one.state for one in self.containers],
            self.addresses.pod,
            self.addresses.host,
            pod["status"].get("startTime") or timestamp(),
        )
        self._deleting = False
        self._sidecars: list[asyncio.Task[int]] = []
        self._deadline = float("inf")
        self._publisher = Publisher(context.api, self)
        self._task = asyncio.get_running_loop().create_task(self._run(lost))
        self._end: asyncio.Task[None] | None = None

    def _specs(self, kind: str) -> list[Object]:
        found: list[Object] = self.pod["spec"].get("initContainers" if kind else "containers", [])
        return found

    @property
    def over(self) -> bool:
        return phase(self.state, self._policy) in ("Succeeded", "Failed")

    def all_containers(self) -> list[Container]:
        return [*self._init, *self.containers]

    def container(self, name: str) -> Container:
        for one in self.all_containers():
            if one.name == name or (not name and one in self.containers):
                return one
        raise LookupError(f"{self.key}: no container {name}")

    def observe(self, pod: Object) -> None:
        self.pod = pod
        self._publisher.observed(pod)
        if "deletionTimestamp" in pod["metadata"]:
            grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
            self._finish(grace, delete=True)

    def vanished(self) -> None:
        """The object is gone: what still runs gets a second."""
        self._publisher.stop()
        self._finish(1, delete=False)

    def fail(self, reason: str, message: str) -> None:
        """Ends the Pod from here, at once: eviction by node pressure, its deadline."""
        if self.over or self.ending:
            return
        self.state.failed_reason, self.state.failed_message = reason, message
        self.context.events(self.pod, reason, message, warning=True)
        self._finish(0, delete=False)

    def delays(self) -> Iterator[float]:
        """Waits between tries, for ever."""
        first = delay = self.context.settings.retry
        while True:
            yield delay
            delay = min(2 * delay, 8 * first)

    async def lookup(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        path = f"/api/v1/namespaces/{self.pod['metadata']['namespace']}/{PLURALS[kind]}/{name}"
        try:
            return decoded(await self.context.api.get(path))
        except ApiError as error:
            if error.status == 404:
                return None
            raise ConfigError(str(error)) from error

    def _changed(self) -> None:
        self._publisher.wake()

    async def _run(self, lost: bool) -> None:
        try:
            if lost and self._policy == "Never":
                self.state.initialized = True
                for one in self.containers:
                    one.lost()
                return
            if lost:
                self._restarted()
            self._changed()
            await self._mount()
            self._limit()
            self.state.sandbox = True
            if await self._initialize():
                self.state.initialized = True
                self._changed()
                await asyncio.gather(*(one.run(self._policy) for one in self.containers))
        except asyncio.CancelledError:
            pass
        except Exception:
            log.exception("%s", self.key)
        finally:
            for sidecar in self._sidecars:
                sidecar.cancel()
            self._changed()
            self.done.set()

    def _restarted(self) -> None:
        """The node is up again after a crash: counts as a restart of each container."""
        known = {one["name"]: one for one in self.pod["status"].get("containerStatuses", ())}
        for one in self.containers:
            one.state.restarts = known.get(one.name, {}).get("restartCount", 0) + 1

    def _limit(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is not None:
            message = "Pod was active on the node longer than the specified deadline"
            loop = asyncio.get_running_loop()
            loop.call_later(seconds, self.fail, "DeadlineExceeded", message)

    async def _mount(self) -> None:
        for delay in self.delays():
            try:
                await self.volumes.prepare()
                return
            except MountFailed as error:
                self.context.events(self.pod, "FailedMount", str(error), warning=True)
            except UNREACHABLE:
                pass
            await asyncio.sleep(delay)

    async def _initialize(self) -> bool:
        """Whether the containers may start."""
        waiting = {"waiting": {"reason": "PodInitializing"}}
        if self._init:
            for one in self.containers:
                one.state.state = waiting
        for one in self._init:
            if one.spec.get("restartPolicy") == "Always":  # a sidecar
                self._sidecars.append(asyncio.ensure_future(one.run("Always")))
                await one.up.wait()
            elif await one.run("Never" if self._policy == "Never" else "OnFailure"):
                return False
        return True

    def _finish(self, grace: float, delete: bool) -> None:
        """Ends what runs within `grace`; a second call may only shorten it."""
        self._deadline = min(self._deadline, time.monotonic() + grace)
        self.ending = True
        if self._end is None or (delete and self._end.done()):
            self._end = asyncio.get_running_loop().create_task(self._finished(delete))
        elif delete:
            self._deleting = True

    async def _finished(self, delete: bool) -> None:
        await asyncio.gather(*(one.end(lambda: self._deadline) for one in self.all_containers()))
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.done.wait()
        self.volumes.remove()
        if delete or self._deleting:
            self._close_unstarted()
            await self._publisher.flush()
            await self._delete()

    def _close_unstarted(self) -> None:
        """A kubelet reports every container of a deleted Pod as terminated."""
        for one in self.containers:
            if one.state.waiting:
                one.lost()

    async def _delete(self) -> None:
        path = f"/api/v1/namespaces/{self.key.replace('/', '/pods/')}"
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        try:
            await api.insist(lambda: self.context.api.delete(path, body))
        except ApiError as error:
            if error.status not in (404, 409):
                log.warning("%s: %s", self.key, error)

    async def kill(self) -> None:
        """The node goes down: processes end, nothing is reported."""
        self._publisher.stop()
        self._finish(1, delete=False)
        if self._end is not None:
            await self._end
