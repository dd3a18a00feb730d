"""Runs an experiment to its end in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from population_operator.adapters.simulation.clock import VirtualClock
from population_operator.adapters.simulation.fleet import SimulatedFleet
from population_operator.adapters.simulation.journal import MemoryJournal
from population_operator.adapters.simulation.program import Program
from population_operator.adapters.simulation.views import MemoryViews
from population_operator.api import PopulationExperiment
from population_operator.core.decide import decide
from population_operator.core.observation import Observation
from population_operator.model.entry import Entry
from population_operator.model.state import State
from population_operator.reconcile import Reconciler

KEY = "simulation"


class StuckError(RuntimeError):
    """Nothing is planned and the experiment has not ended: somebody forgot to come back."""


async def at_once(state: State, observation: Observation, now: float) -> Entry | None:
    """Decide right here: there is no event loop to keep free."""
    return decide(state, observation, now)


@dataclass
class Simulation:
    """An experiment, its runtime, and the loop; `step` makes one pass."""

    experiment: PopulationExperiment
    clock: VirtualClock
    fleet: SimulatedFleet
    journal: MemoryJournal
    reconciler: Reconciler

    @classmethod
    def of(
        cls,
        experiment: PopulationExperiment,
        program: Program,
        *,
        as_text: bool = False,
        **fleet: object,
    ) -> Simulation:
        """A simulation at rest. Further arguments are those of `SimulatedFleet`."""
        clock, journal = VirtualClock(), MemoryJournal(as_text=as_text)
        simulated = SimulatedFleet(clock, program, **fleet)  # type: ignore[arg-type]
        reconciler = Reconciler(journal, simulated, MemoryViews(), clock, decide=at_once)
        return cls(experiment, clock, simulated, journal, reconciler)

    @property
    def state(self) -> State:
        return self.reconciler.states.get(KEY, State())

    async def step(self) -> bool:
        """Reconcile once and let time pass. Returns whether the experiment goes on."""
        deadline = await self.reconciler.reconcile(KEY, self.experiment)
        if self.state.cleaned_up:
            return False
        if not self.clock.advance(deadline):
            raise StuckError(f"nothing planned in phase {self.state.phase}")
        return True

    def crash(self, workers_too: bool = False) -> None:
        """The operator dies and another one starts, knowing nothing but the journal."""
        if workers_too:
            self.fleet.lose_all()
        self.reconciler = Reconciler(
            self.journal, self.fleet, MemoryViews(), self.clock, decide=at_once
        )

    async def entries(self) -> tuple[Entry, ...]:
        return await self.journal.load(KEY)


def simulate(
    experiment: PopulationExperiment, program: Program, **fleet: object
) -> tuple[State, tuple[Entry, ...]]:
    """The final state and the journal of an undisturbed run."""

    async def run() -> tuple[State, tuple[Entry, ...]]:
        simulation = Simulation.of(experiment, program, **fleet)  # type: ignore[arg-type]
        while await simulation.step():
            pass
        return simulation.state, await simulation.entries()

    return asyncio.run(run())
