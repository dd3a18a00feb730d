"""What a fleet is tested with: a world to look at, and a driver that does what the loop does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from population_operator.api import PopulationExperiment
from population_operator.core.desired import Desired, DesiredWorker
from population_operator.core.observation import Observation
from population_operator.model.decision import Directive, DirectiveKind
from population_operator.model.entry import Reported
from population_operator.model.report import CheckpointRef
from population_operator.model.state import Worker
from population_operator.ports import Fleet
from tests.builders import a_state, an_experiment

KEY = "default/experiment"
PATIENCE = 40.0
"""Seconds in which what was asked for has to come true, on a machine with much else to do."""

Slot = tuple[str, int]


class World(Protocol):
    """One runtime with one experiment in it."""

    fleet: Fleet
    key: str
    experiment: PopulationExperiment
    """As it exists in this world."""
    keeps_workers: bool
    """Whether workers outlive the operator that started them."""
    can_stall: bool
    """Whether a worker here can be made to answer nobody."""

    async def exists(self) -> set[Slot]:
        """The incarnations that really run, or are about to."""
        ...

    async def settle(self, seconds: float = 0.02) -> None:
        """Let so much of the world's time pass."""
        ...

    async def kill(self, slot: Slot) -> None:
        """End a worker from outside, without warning."""
        ...

    async def stall(self, slot: Slot) -> None:
        """From now on the worker answers nobody, though it exists."""
        ...

    async def corrupt(self, ref: CheckpointRef) -> None:
        """The bytes of a checkpoint are not what its manifest says any more."""
        ...

    async def replace_operator(self) -> None:
        """The operator dies, and `fleet` is another one's, which knows nothing."""
        ...


Worlds = Callable[[PopulationExperiment], AbstractAsyncContextManager[World]]


def the_experiment() -> PopulationExperiment:
    return an_experiment().size(3).steps(10, 1000).build()


def a_directive(number: int, until: int, **changes: object) -> Directive:
    """m0 starts on incarnation 1; other fields in `changes`."""
    values = {
        "incarnation": 1,
        "member": "m0",
        "kind": DirectiveKind.START,
        "hyperparameters": {"lr": 0.1},
        "max_steps": 1000,
        "seed": 7,
    }
    return Directive.model_validate({"id": number, "until": until, **values, **changes})


def a_worker(
    directive: Directive | None,
    *,
    name: str = "w0",
    incarnation: int = 1,
    uid: str = "",
    cursor: int = 0,
) -> DesiredWorker:
    return DesiredWorker(name, incarnation, uid, directive, cursor)


class Driver:
    """Applies, observes and waits, as the loop does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.experiment = world.experiment
        self.state = a_state(self.experiment)
        self.slowest = 0.0

    async def apply(self, *workers: DesiredWorker, seq: int = 10) -> None:
        for it in workers:
            self._opened(it.worker, it.incarnation)
        begin = time.perf_counter()
        await self.world.fleet.apply(self.world.key, Desired(seq, workers), self.state)
        self.slowest = max(self.slowest, time.perf_counter() - begin)

    def _opened(self, name: str, incarnation: int) -> None:
        """The journal has what is desired: an older incarnation is ours to delete."""
        newest = max(incarnation, self.state.workers.get(name, Worker(name)).incarnation)
        workers = {**self.state.workers, name: Worker(name, newest)}
        self.state = replace(self.state, workers=workers)

    async def observe(self) -> Observation:
        begin = time.perf_counter()
        observation = await self.world.fleet.observe(self.world.key, self.experiment)
        self.slowest = max(self.slowest, time.perf_counter() - begin)
        return observation

    async def until(
        self,
        what: str,
        condition: Callable[[Observation], bool],
        *desired: DesiredWorker,
        seconds: float = PATIENCE,
    ) -> Observation:
        """Observe until something holds, applying `desired` each time, as the loop would."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            if desired:
                await self.apply(*desired)
            observation = await self.observe()
            if condition(observation):
                return observation
            if loop.time() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}; last seen: {observation}")
            await self.world.settle()

    async def until_exists(self, slots: set[Slot], what: str, *desired: DesiredWorker) -> None:
        """Wait until exactly these run, applying `desired` each time, as the loop would."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while (found := await self.world.exists()) != slots:
            await self.apply(*desired)
            if loop.time() > deadline:
                raise AssertionError(f"{what}: {found} instead of {slots}")
            await self.world.settle()


def steps(observation: Observation, worker: str = "w0") -> list[int]:
    """The steps that were reported, in the order in which they were told."""
    return [
        e.report.step for e in observation.events if isinstance(e, Reported) and e.worker == worker
    ]


def present(observation: Observation) -> set[Slot]:
    return {(p.worker, p.incarnation) for p in observation.present}


def uid(observation: Observation, worker: str = "w0") -> str:
    return next(p.uid for p in observation.present if p.worker == worker)
