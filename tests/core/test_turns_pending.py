"""Fewer workers start than were asked for: nobody waits for one that may never come."""

from __future__ import annotations

from population_operator.adapters.simulation import SimulatedFleet
from population_operator.app.simulate import Simulation
from population_operator.core.verify import verify
from population_operator.model.entry import Phase
from population_operator.model.state import State
from tests.builders import an_experiment
from tests.simulation.programs import Climb


class FewGpus(SimulatedFleet):
    """Only the first two slots ever start."""

    def _started(self, process, directive):  # type: ignore[no-untyped-def]
        if process.worker in ("w0", "w1"):
            super()._started(process, directive)


def test_training_goes_on_with_the_workers_that_there_are() -> None:
    import asyncio

    experiment = an_experiment().size(4).steps(5, 20).synchronous().build()
    simulation = Simulation.of(experiment, Climb(), as_text=True)
    fleet = FewGpus(simulation.clock, Climb())
    simulation.fleet = simulation.reconciler.fleet = fleet

    async def run() -> State:
        for _ in range(2000):
            if not await simulation.step():
                break
        return simulation.state

    state = asyncio.run(run())
    assert state.phase is Phase.COMPLETE
    assert {m.step for m in state.members.values()} == {20}
    assert verify(asyncio.run(simulation.entries())).divergence is None
