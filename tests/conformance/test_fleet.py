"""The fleets of the runtimes that need no cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from population_operator.adapters.local import LocalFleet, RunFolder
from population_operator.adapters.simulation import SimulatedFleet, VirtualClock
from population_operator.api import PopulationExperiment
from population_operator.model.report import CheckpointRef
from population_operator.model.space import Hyperparameters
from tests.conformance.fleet import FleetConformance
from tests.conformance.fleet_driver import KEY, Slot, World, Worlds

PROGRAM = Path(__file__).with_name("program.py")


class Count:
    """The same as `program.py`, in virtual time."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> int:
        return 0

    def train(
        self, weights: int, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[int, float]:
        return weights + until - step, float(weights + until - step)


class InVirtualTime:
    """The fleet is its own world: an operator that comes later finds the same processes."""

    key = KEY
    keeps_workers = True
    can_stall = False

    def __init__(self, experiment: PopulationExperiment) -> None:
        self.experiment = experiment
        self._clock = VirtualClock()
        self.fleet = SimulatedFleet(self._clock, Count())

    async def exists(self) -> set[Slot]:
        return {at for at, process in self.fleet.processes.items() if process.alive}

    async def settle(self, seconds: float = 0.02) -> None:
        self._clock.advance(self._clock.now() + seconds)

    async def kill(self, slot: Slot) -> None:
        self.fleet.kill(slot[0])

    async def stall(self, slot: Slot) -> None:
        raise NotImplementedError

    async def corrupt(self, ref: CheckpointRef) -> None:
        self.fleet.corrupt(ref)

    async def replace_operator(self) -> None:
        pass


@dataclass
class OnThisMachine:
    """Real processes. They end with the operator: `close` stands for its death."""

    folder: RunFolder
    experiment: PopulationExperiment
    key = KEY
    keeps_workers = False
    can_stall = True

    def __post_init__(self) -> None:
        self.fleet = self._operator()

    def _operator(self) -> LocalFleet:
        credentials = self.folder.prepare(self.experiment.metadata.uid)
        command = (sys.executable, str(PROGRAM))
        return LocalFleet(self.folder, command, {}, PROGRAM.parent, credentials, lambda: None)

    def _processes(self) -> dict[Slot, psutil.Process]:
        """Our children, by what their environment says that they are."""
        found = {}
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                env = process.environ()
                if env.get("POPULATION_CHECKPOINTS", "").startswith(str(self.folder.root)):
                    slot = env["POPULATION_WORKER"], int(env["POPULATION_INCARNATION"])
                    found[slot] = process
        return found

    async def exists(self) -> set[Slot]:
        return set(self._processes())

    async def settle(self, seconds: float = 0.02) -> None:
        await asyncio.sleep(seconds)

    async def kill(self, slot: Slot) -> None:
        self._processes()[slot].kill()

    async def stall(self, slot: Slot) -> None:
        os.kill(self._processes()[slot].pid, signal.SIGSTOP)

    async def corrupt(self, ref: CheckpointRef) -> None:
        file = self.folder.checkpoints(self.experiment.metadata.uid) / str(ref) / "weights.json"
        file.chmod(0o644)
        data = bytearray(file.read_bytes())
        data[-2] ^= 1
        file.write_bytes(data)

    async def replace_operator(self) -> None:
        await self.fleet.close()
        self.fleet = self._operator()


class TestSimulatedFleet(FleetConformance):
    @pytest.fixture
    def worlds(self) -> Worlds:
        @contextlib.asynccontextmanager
        async def world(experiment: PopulationExperiment) -> AsyncIterator[World]:
            yield InVirtualTime(experiment)

        return world


class TestLocalFleet(FleetConformance):
    @pytest.fixture
    def worlds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worlds:
        from population_operator.adapters.local import process

        monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)

        @contextlib.asynccontextmanager
        async def world(experiment: PopulationExperiment) -> AsyncIterator[World]:
            it = OnThisMachine(RunFolder(tmp_path), experiment)
            try:
                yield it
            finally:
                await it.fleet.close()
                assert await it.exists() == set(), "a process was left behind"

        return world
