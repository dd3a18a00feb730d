"""Any faults, at any moments, in any order: the run ends, and nothing is lost or decided twice.

Input: an experiment and a list of faults, each before one pass of the loop. Real: the core, the
loop, the JSON of the journal. Simulated: time, processes, the volume.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from population_operator.api import PopulationExperiment
from population_operator.app.simulate import Simulation
from population_operator.core.fold import fold
from population_operator.core.verify import verify
from population_operator.model.entry import Cause, Decided, Entry, Phase, Reported
from population_operator.model.report import CheckpointRef
from population_operator.model.state import State
from tests.builders import an_experiment
from tests.simulation.invariants import assert_on_volume, assert_sound
from tests.simulation.programs import Climb

PASSES = 4000


@dataclass(frozen=True)
class Fault:
    """What happens before the pass with this number."""

    at: int
    kind: str
    index: int


HARMLESS = ("operator", "machine", "preempt", "evict")
HARMFUL = ("exit", "corrupt", "suspend")


def faults(kinds: tuple[str, ...]) -> st.SearchStrategy[list[Fault]]:
    return st.lists(
        st.builds(Fault, st.integers(0, 60), st.sampled_from(kinds), st.integers(0, 7)),
        max_size=12,
    )


@st.composite
def experiments(draw: st.DrawFn) -> PopulationExperiment:
    size = draw(st.integers(2, 6))
    builder = (
        an_experiment()
        .size(size, parallelism=draw(st.integers(1, size)))
        .steps(draw(st.integers(1, 5)), draw(st.integers(5, 25)))
        .seed(draw(st.integers(0, 99)))
        .baselines(draw(st.integers(0, size - 1)))
    )
    if draw(st.booleans()):
        builder = builder.synchronous()
    exploit = draw(st.sampled_from(["truncation", "tournament", "t_test", "random"]))
    return {
        "truncation": lambda: builder.truncation(0.5),
        "tournament": builder.tournament,
        "t_test": builder.t_test,
        "random": builder.random_search,
    }[exploit]().build()


def inflict(simulation: Simulation, fault: Fault, spoiled: set[CheckpointRef]) -> None:
    slots = simulation.experiment.spec.population.workers
    worker = f"w{fault.index % slots}"
    match fault.kind:
        case "operator":
            simulation.crash()
        case "machine":
            simulation.crash(workers_too=True)
        case "preempt":
            simulation.fleet.kill(worker, Cause.PREEMPTED)
        case "evict":
            simulation.fleet.kill(worker, Cause.EVICTED)
        case "exit":
            simulation.fleet.kill(worker, Cause.EXITED)
        case "corrupt":
            refs = sorted(simulation.fleet.checkpoints, key=str)
            if refs:
                spoiled.add(refs[fault.index % len(refs)])
                simulation.fleet.corrupt(refs[fault.index % len(refs)])
        case "suspend":
            spec = simulation.experiment.spec
            spec = spec.model_copy(update={"suspend": not spec.suspend})
            simulation.experiment = simulation.experiment.model_copy(update={"spec": spec})


async def disturbed(
    experiment: PopulationExperiment, plan: list[Fault], nan_rate: float = 0.0
) -> tuple[State, tuple[Entry, ...]]:
    simulation = Simulation.of(experiment, Climb(nan_rate), as_text=True)
    spoiled: set[CheckpointRef] = set()
    for number in range(PASSES):
        for fault in plan:
            if fault.at == number:
                inflict(simulation, fault, spoiled)
        if simulation.state.phase is Phase.SUSPENDED and number > 70:
            inflict(simulation, Fault(0, "suspend", 0), spoiled)
        deadline = await simulation.reconciler.reconcile("simulation", simulation.experiment)
        assert_sound(simulation.state)
        assert_on_volume(simulation.state, simulation.fleet, spoiled)
        if simulation.state.cleaned_up:
            break
        moved = simulation.clock.advance(deadline)
        assert moved or simulation.state.phase is Phase.SUSPENDED, "stuck"
    else:
        raise AssertionError(f"not over after {PASSES} passes: {simulation.state}")
    return simulation.state, await simulation.entries()


def decisions(entries: tuple[Entry, ...]) -> list[dict[str, object]]:
    """What `result.json` says of decisions: their sources by member and step."""
    found = []
    for entry in entries:
        for event in entry.decided:
            if isinstance(event, Decided):
                it = event.decision
                source = (it.source.member, it.source.step) if it.source else None
                found.append(
                    {"id": it.id, "kind": it.kind, "from": source, "at": it.at_step,
                     "hyperparameters": it.hyperparameters, "reason": it.reason}
                )  # fmt: skip
    return found


@settings(max_examples=150, deadline=None)
@given(experiments(), faults(HARMLESS + HARMFUL), st.sampled_from([0.0, 0.3]))
def test_every_run_ends_and_every_journal_verifies(
    experiment: PopulationExperiment, plan: list[Fault], nan_rate: float
) -> None:
    state, entries = asyncio.run(disturbed(experiment, plan, nan_rate))
    verdict = verify(entries)
    assert verdict.divergence is None
    assert verdict.entries == len(entries)
    assert state.phase.ended
    assert len(state.members) == experiment.spec.population.size
    if nan_rate == 0.0 and all(f.kind in HARMLESS for f in plan):
        assert state.phase is Phase.COMPLETE
        assert all(m.step == experiment.spec.schedule.max_steps for m in state.members.values())


@settings(max_examples=100, deadline=None)
@given(experiments(), faults(HARMLESS))
def test_with_a_seed_and_rounds_a_crash_changes_no_decision(
    experiment: PopulationExperiment, plan: list[Fault]
) -> None:
    schedule = experiment.spec.schedule.model_copy(update={"synchronous": True})
    spec = experiment.spec.model_copy(update={"schedule": schedule})
    experiment = experiment.model_copy(update={"spec": spec})
    _, undisturbed = asyncio.run(disturbed(experiment, []))
    _, entries = asyncio.run(disturbed(experiment, plan))
    assert decisions(entries) == decisions(undisturbed)


@settings(max_examples=60, deadline=None)
@given(experiments(), faults(HARMLESS + HARMFUL))
def test_fold_of_any_prefix_keeps_the_invariants(
    experiment: PopulationExperiment, plan: list[Fault]
) -> None:
    _, entries = asyncio.run(disturbed(experiment, plan))
    state = State()
    for entry in entries:
        again = Entry.model_validate_json(json.dumps(json.loads(entry.model_dump_json())))
        assert again == entry or any(
            isinstance(e, Reported) and not e.report.finite for e in entry.observed
        )
        state = fold(state, again)
        assert_sound(state)
