"""Workers as subprocesses on this machine, spoken to over loopback."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from population_operator.adapters.local import leftovers
from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.process import THREADS, explain, spawn, stop, threads
from population_operator.adapters.local.warden import Warden
from population_operator.adapters.worker.credentials import Credentials
from population_operator.adapters.worker.environment import (
    INCARNATION,
    WORKER,
    WorkerPlace,
    environment,
)
from population_operator.adapters.worker.link import Address, WorkerLink
from population_operator.api import PopulationExperiment
from population_operator.core.desired import Desired, DesiredWorker
from population_operator.core.observation import Observation, PresentWorker
from population_operator.model.entry import Cause, WorkerGone
from population_operator.model.state import State

HOST = "127.0.0.1"


@dataclass
class _Incarnation:
    """A process that was or will be started, and the connection to it."""

    worker: str
    number: int
    uid: str
    process: asyncio.subprocess.Process | None = None
    link: WorkerLink | None = None
    gone: WorkerGone | None = None
    task: asyncio.Task[None] | None = None


@dataclass
class LocalFleet:
    """Starts, watches and ends the worker processes of one experiment.

    Args:
      folder: where checkpoints, logs and credentials lie.
      command: what a worker runs; `env` is added to this process's environment, `cwd` its folder.
        `OMP_NUM_THREADS` is its part of the cores where neither has it.
      credentials: of the experiment.
      wake: called when something happened that `observe` would tell.
      inherited: incarnations (worker, number) of a controller that ended, and they with it.
    """

    folder: RunFolder
    command: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    credentials: Credentials
    wake: Callable[[], None]
    inherited: tuple[tuple[str, int], ...] = ()
    _all: dict[tuple[str, int], _Incarnation] = field(default_factory=dict)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    _session: aiohttp.ClientSession | None = None
    _warden: Warden | None = None

    # --- the port ---

    async def observe(self, key: str, experiment: PopulationExperiment) -> Observation:
        now = asyncio.get_running_loop().time()
        alive = [i for i in self._all.values() if i.gone is None and i.process is not None]
        return Observation(
            experiment=experiment,
            present=tuple(
                PresentWorker(
                    i.worker,
                    i.number,
                    i.uid,
                    silent_for=_silence(i, now),
                    refusal=i.link.refusal if i.link else "",
                    answered=i.link is not None and i.link.answered_at > 0.0,
                )
                for i in alive
            ),
            gone=(
                *(i.gone for i in self._all.values() if i.gone is not None),
                *(_abandoned(*at) for at in self.inherited),
            ),
            events=tuple(e for i in self._all.values() if i.link for e in i.link.events),
        )

    async def listen(self, key: str, desired: Desired, state: State) -> None:
        """Workers end with the controller: none runs before it."""

    async def apply(self, key: str, desired: Desired, state: State) -> None:
        wanted = {(w.worker, w.incarnation): w for w in desired.workers}
        for at in [at for at in self._all if at not in wanted]:
            self._end(self._all.pop(at))
        for at, worker in wanted.items():
            known = self._all.get(at)
            if known is None:
                if not worker.uid:
                    self._create(state.spec, worker)
            elif known.link is not None and known.gone is None:
                known.link.prune(worker.cursor)
                if worker.directive is not None:
                    known.link.send(worker.directive)

    async def close(self) -> None:
        """End everything, and wait until it has ended."""
        for at in list(self._all):
            self._end(self._all.pop(at))
        if self._ending:
            await asyncio.gather(*self._ending)
        if self._warden is not None:
            warden, self._warden = self._warden, None
            await asyncio.to_thread(warden.close)
        if self._session is not None:
            await self._session.close()

    def starting(self) -> frozenset[str]:
        """The workers that exist, and have never answered."""
        return frozenset(
            i.worker
            for i in self._all.values()
            if i.gone is None and (i.link is None or not i.link.answered_at)
        )

    # --- a process's life ---

    def _create(self, experiment: PopulationExperiment, worker: DesiredWorker) -> None:
        incarnation = _Incarnation(worker.worker, worker.incarnation, uid=uuid.uuid4().hex)
        self._all[worker.worker, worker.incarnation] = incarnation
        incarnation.task = asyncio.create_task(self._live(experiment, worker, incarnation))

    async def _live(
        self, experiment: PopulationExperiment, worker: DesiredWorker, it: _Incarnation
    ) -> None:
        log = self.folder.log(it.worker, it.number)
        try:
            control, metrics = _free_ports(2)
            place = self._place(experiment.metadata.uid, control, metrics)
            variables = environment(experiment, it.worker, it.number, worker.directive, place)
            marks = self._watched().marks
            shared = {THREADS: str(threads(experiment.spec.population.workers))}
            env = {**shared, **os.environ, **self.env, **variables, **marks}
            it.process = await spawn(self.command, env, self.cwd, log)
        except (OSError, ValueError) as error:
            it.gone = _gone(it, Cause.REFUSED, _refusal(error, self.command[0]))
            self.wake()
            return
        address = Address(
            f"https://{HOST}:{control}", self.credentials.token, self.credentials.fingerprint
        )
        it.link = WorkerLink(
            self._http(), address, it.worker, it.number, self.wake, sent=worker.directive
        )
        it.link.start()
        self.wake()
        code = await it.process.wait()
        await it.link.close()
        # What it started may write checkpoints, too: none of that may meet its successor.
        slot = {name: variables[name] for name in (WORKER, INCARNATION)}
        await asyncio.to_thread(leftovers.end, {**marks, **slot})
        it.gone = _gone(it, Cause.EXITED, explain(code, log))
        self.wake()

    def _watched(self) -> Warden:
        if self._warden is None:
            self._warden = Warden()
        return self._warden

    def _place(self, uid: str, control_port: int, metrics_port: int) -> WorkerPlace:
        folder = self.folder.absolute()  # A worker runs elsewhere.
        credentials = folder.credentials
        return WorkerPlace(
            checkpoints=folder.checkpoints(uid),
            token=credentials / "token",
            certificate=credentials / "tls.crt",
            key=credentials / "tls.key",
            host=HOST,
            control_port=control_port,
            metrics_port=metrics_port,
        )

    def _end(self, it: _Incarnation) -> None:
        task = asyncio.create_task(self._ended(it))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _ended(self, it: _Incarnation) -> None:
        if it.process is not None:
            if it.link is not None:
                await it.link.close()
            await stop(it.process)
        if it.task is not None:
            if it.process is None:
                it.task.cancel()
            await asyncio.gather(it.task, return_exceptions=True)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Two connections a worker: one waits, one sends.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def _abandoned(worker: str, number: int) -> WorkerGone:
    detail = "it ended with the run that had started it"
    return WorkerGone(worker=worker, incarnation=number, cause=Cause.ABANDONED, detail=detail)


def _gone(it: _Incarnation, cause: Cause, detail: str) -> WorkerGone:
    return WorkerGone(worker=it.worker, incarnation=it.number, cause=cause, detail=detail)


def _refusal(error: OSError | ValueError, program: str) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or program}: {error.strerror or error}"
    return f"{program}: {error}"


def _silence(it: _Incarnation, now: float) -> float:
    """Seconds since the last answer; a process that never answered is left to its time limit."""
    return 0.0 if it.link is None else it.link.silent_for(now)


def _free_ports(count: int) -> list[int]:
    """Ports that are free now; a worker that finds one taken after all is started again."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
