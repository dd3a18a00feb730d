"""One container's life: pull, configure, start, probe, end, start again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.apiserver.cluster.images import Image
from tests.apiserver.cluster.kubelet import environment
from tests.apiserver.cluster.kubelet.api import UNREACHABLE, Object
from tests.apiserver.cluster.kubelet.events import timestamp
from tests.apiserver.cluster.kubelet.probes import Prober
from tests.apiserver.cluster.kubelet.process import Command, Process, StartError
from tests.apiserver.cluster.kubelet.status import ContainerState, terminated, waiting
from tests.apiserver.cluster.kubelet.volumes import Mount

if TYPE_CHECKING:
    from tests.apiserver.cluster.kubelet.pod import PodRunner

TERMINATION_LOG = "/dev/termination-log"


class Container:
    """`run()` returns when it will not run again; `end(deadline)` makes that happen soon."""

    def __init__(self, spec: Object, pod: PodRunner, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.folder: Path = pod.folder / self.name
        self.state = ContainerState(self.name, spec["image"], waiting("ContainerCreating"))
        self.up = asyncio.Event()  # started, by the startup probe where there is one
        self.out_of_memory = False
        self.process: Process | None = None
        self._pod = pod
        self._changed = changed
        self._command: Command | None = None
        self._probes: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None

    async def run(self, policy: str) -> int:
        """The last exit code."""
        failures = 0
        while True:
            image = await self._pulled()
            self._command = await self._configured(image)
            began = time.monotonic()
            code = await self._once(self._command)
            if self._pod.ending or policy == "Never" or (policy == "OnFailure" and code == 0):
                return code
            failures = 0 if time.monotonic() - began > 600 else failures + 1
            await self._back_off(failures)
            self.state.restarts += 1

    async def end(self, deadline: Callable[[], float]) -> None:
        """preStop, SIGTERM, and SIGKILL when `deadline()` (of time.monotonic) has passed."""
        self._stop_probes()
        process = self.process
        if process is None or not process.running:
            return
        self._event("Killing", f"Stopping container {self.name}")
        await self._pre_stop(process, deadline)
        process.signal(signal.SIGTERM)
        ended = asyncio.ensure_future(process.wait())
        while not ended.done():
            left = deadline() - time.monotonic()
            if left <= 0:
                process.signal(signal.SIGKILL)
            await asyncio.wait([ended], timeout=min(max(left, 0.02), 0.1))

    def lost(self) -> None:
        """Its process went down with the node."""
        now = timestamp()
        message = "The container could not be located when the pod was terminated"
        self.state.state = terminated(137, "ContainerStatusUnknown", "", now, message)
        self.state.ready = self.state.started = False

    async def execute(self, argv: list[str], seconds: float) -> tuple[bool, str]:
        if self.process is None or not self.process.running or self._command is None:
            return False, "the container does not run"
        return await self.process.execute(argv, self._command, self.folder, seconds)

    def log(self, restart: int | None = None) -> Path:
        return self.folder / f"{self.state.restarts if restart is None else restart}.log"

    async def _pulled(self) -> Image:
        """The image, as soon as the registry has it."""
        name, policy = self.spec["image"], self.spec.get("imagePullPolicy", "IfNotPresent")
        for delay in self._pod.delays():
            image = self._pod.context.image(name)
            if image is not None:
                if policy != "Never" and image.pull_seconds:
                    self._event("Pulling", f'Pulling image "{name}"')
                    await asyncio.sleep(image.pull_seconds)
                self._event("Pulled", f'Container image "{name}" already present on machine')
                return image
            if policy == "Never":
                message = f'Container image "{name}" is not present with pull policy of Never'
                self._event("ErrImageNeverPull", message, warning=True)
                self._set(waiting("ErrImageNeverPull", message))
            else:
                message = f'failed to pull and unpack image "{name}": not found'
                self._event("Failed", f'Failed to pull image "{name}": {message}', warning=True)
                self._event("Failed", "Error: ErrImagePull", warning=True)
                self._set(waiting("ErrImagePull", message))
                await asyncio.sleep(delay / 2)
                back_off = f'Back-off pulling image "{name}"'
                self._event("BackOff", back_off)
                self._event("Failed", "Error: ImagePullBackOff", warning=True)
                self._set(waiting("ImagePullBackOff", f"{back_off}: ErrImagePull: {message}"))
            await asyncio.sleep(delay / 2)
        raise AssertionError("unreachable")

    async def _configured(self, image: Image) -> Command:
        """The command to run, as soon as what it refers to is there."""
        pod = self._pod
        for delay in pod.delays():
            try:
                env = await environment.environment(
                    pod.pod, self.spec, image.environment, pod.addresses, pod.lookup
                )
                mounts = pod.volumes.mounts(self.spec, env)
                break
            except environment.ConfigError as error:
                self._event("Failed", f"Error: {error}", warning=True)
                self._set(waiting("CreateContainerConfigError", str(error)))
            except UNREACHABLE:
                pass
            await asyncio.sleep(delay)
        self.folder.mkdir(parents=True, exist_ok=True)
        if pod.context.isolation != "none":
            note = self.folder / "termination-log"
            note.write_bytes(b"")
            note.chmod(0o666)
            target = self.spec.get("terminationMessagePath", TERMINATION_LOG)
            mounts.append(Mount(str(note), target, False))
            mounts += [Mount(path, path, False) for path in image.visible]
        argv = environment.command(self.spec, image.entrypoint, image.args, env)
        return Command(argv, env, self.spec.get("workingDir") or image.working_dir, mounts)

    async def _once(self, command: Command) -> int:
        self.out_of_memory = False
        began = timestamp()
        try:
            if not command.argv:
                raise StartError("no command specified")
            self.process = await Process.start(
                command, self._pod.context.isolation, self.folder, self.log()
            )
        except StartError as error:
            message = f"failed to create containerd task: {error}"
            self._event("Failed", f"Error: {message}", warning=True)
            self._set(terminated(128, "StartError", began, timestamp(), message))
            return 128
        self.state.id = f"process://{self.process.pid}-{self.state.restarts}"
        self._event("Created", f"Container created: {self.name}")
        self._event("Started", f"Container started: {self.name}")
        self._set({"running": {"startedAt": began}})
        self._start_probes()
        try:
            code = await self.process.wait()
        except asyncio.CancelledError:
            self.process.signal(signal.SIGKILL)
            raise
        finally:
            self._stop_probes()
            self.up.clear()
        reason = "OOMKilled" if self.out_of_memory else "Error" if code else "Completed"
        self._set(terminated(code, reason, began, timestamp(), self._last_words(code)))
        return code

    async def _back_off(self, failures: int) -> None:
        self.state.last = self.state.state
        if failures < 2:
            return
        delay = min(2 ** (failures - 2), 32) * self._pod.context.settings.back_off
        meta = self._pod.pod["metadata"]
        where = f"{self.name} in pod {meta['name']}_{meta['namespace']}({meta['uid']})"
        self._event("BackOff", f"Back-off restarting failed container {where}", warning=True)
        message = f"back-off {delay:g}s restarting failed container={where}"
        self._set(waiting("CrashLoopBackOff", message))
        await asyncio.sleep(delay)

    def _last_words(self, code: int) -> str:
        note = self.folder / "termination-log"
        text = note.read_text(errors="replace")[:4096] if note.exists() else ""
        policy = self.spec.get("terminationMessagePolicy", "File")
        if not text and code and policy == "FallbackToLogsOnError" and self.log().exists():
            return "\n".join(self.log().read_text(errors="replace").splitlines()[-80:])[-2048:]
        return text

    def _start_probes(self) -> None:
        loop = asyncio.get_running_loop()
        self._probes = [loop.create_task(self._probe())]

    def _stop_probes(self) -> None:
        for task in self._probes:
            task.cancel()
        self._probes = []
        self.state.ready = False
        self.state.started = False

    async def _probe(self) -> None:
        prober = Prober(self.spec, self._pod.addresses.pod, self.execute)
        if "startupProbe" in self.spec:
            started = asyncio.Event()

            def startup(good: bool, message: str) -> None:
                if good:
                    started.set()
                else:
                    self._unhealthy("Startup", message)

            task = asyncio.ensure_future(prober.until(self.spec["startupProbe"], startup))
            try:
                await started.wait()
            finally:
                task.cancel()
        self.state.started = True
        self.state.ready = "readinessProbe" not in self.spec
        self.up.set()
        self._changed()
        async with asyncio.TaskGroup() as group:
            if "readinessProbe" in self.spec:
                group.create_task(prober.until(self.spec["readinessProbe"], self._readiness))
            if "livenessProbe" in self.spec:
                group.create_task(prober.until(self.spec["livenessProbe"], self._liveness))

    def _readiness(self, good: bool, message: str) -> None:
        if not good:
            self._event("Unhealthy", f"Readiness probe failed: {message}", warning=True)
        self.state.ready = good
        self._changed()

    def _liveness(self, good: bool, message: str) -> None:
        if not good:
            self._unhealthy("Liveness", message)

    def _unhealthy(self, kind: str, message: str) -> None:
        """Kills the container, with its Pod's grace; the restart policy then decides."""
        self._event("Unhealthy", f"{kind} probe failed: {message}", warning=True)
        what = f"Container {self.name} failed {kind.lower()} probe, will be restarted"
        self._event("Killing", what)
        end = time.monotonic() + self._pod.pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._ending = asyncio.get_running_loop().create_task(self.end(lambda: end))

    async def _pre_stop(self, process: Process, deadline: Callable[[], float]) -> None:
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if not hook or process is not self.process:
            return
        left = deadline() - time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(left, 0)):
                if "sleep" in hook:
                    await asyncio.sleep(hook["sleep"]["seconds"])
                else:
                    prober = Prober(self.spec, self._pod.addresses.pod, self.execute)
                    await prober.once(hook | {"timeoutSeconds": left})

    def _set(self, state: Object) -> None:
        self.state.state = state
        self._changed()

    def _event(self, reason: str, message: str, warning: bool = False) -> None:
        self._pod.context.events(self._pod.pod, reason, message, warning, self.name)
