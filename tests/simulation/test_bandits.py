"""Bandits on workers of unequal speed, with and without faults: nothing idles, nothing is lost.

Real: the core, the loop, the algorithms, the JSON of the journal. Simulated: time, processes, the
volume. A trial's score depends on its configuration and its step alone, as a seeded training does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population_operator.algorithms.hyperband import brackets_of
from population_operator.api import PopulationExperiment
from population_operator.app.simulate import Simulation, simulate
from population_operator.core import retention
from population_operator.core.verify import verify
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import Decided, Entry, Issued, Phase, Reported
from population_operator.model.space import Hyperparameters
from population_operator.model.state import State
from tests.algorithms.bandits import a_bandit
from tests.builders import ExperimentBuilder
from tests.simulation.invariants import assert_on_volume, assert_sound
from tests.simulation.test_faults import HARMLESS, Fault, faults, inflict

SPEEDS = {"w0": 0.5, "w1": 1.0, "w2": 2.0, "w3": 5.0}
"""Seconds for a step: the slowest worker takes ten times as long as the fastest."""


@dataclass(frozen=True)
class Learning:
    """The score comes near to what the learning rate allows; above `breaks` it is not finite."""

    breaks: float = 2.0

    def start(self, hyperparameters: Hyperparameters, seed: int) -> int:
        return 0

    def train(
        self, weights: int, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[int, float]:
        rate = float(hyperparameters["lr"])
        trained = weights + until - step
        score = float("nan") if rate > self.breaks else rate * (1.0 - 0.8**trained)
        return trained, score


BANDITS: dict[str, ExperimentBuilder] = {
    "successive halving": a_bandit("successiveHalving", 81),
    "hyperband": a_bandit("hyperband"),
    "asha": a_bandit("asha", 200),
    "asha, stopping": a_bandit("asha", 200, variant="stopping"),
}
bandits = pytest.mark.parametrize("name", BANDITS)


def taken(entries: tuple[Entry, ...]) -> list[Decision]:
    return [e.decision for it in entries for e in it.decided if isinstance(e, Decided)]


def by_name(entries: tuple[Entry, ...]) -> dict[str, dict[str, Any]]:
    """The decisions without the sequence numbers that a crash may shift."""
    found = {}
    for decision in taken(entries):
        told = decision.model_dump(exclude={"source"})
        source = decision.source
        found[decision.id] = told | {"from": (source.member, source.step) if source else None}
    return found


def busy(entries: tuple[Entry, ...], after: float, before: float) -> dict[str, float]:
    """The share of that time for which each worker had a member to train."""
    since: dict[str, float] = {}
    total: Counter[str] = Counter()

    def add(worker: str, end: float) -> None:
        if (begun := since.pop(worker, None)) is not None:
            total[worker] += max(0.0, min(end, before) - max(begun, after))

    for entry in entries:
        for event in entry.observed:
            if isinstance(event, Reported):
                add(event.worker, entry.time)
        for follows in entry.decided:
            if isinstance(follows, Issued):
                add(follows.worker, entry.time)
                since[follows.worker] = entry.time
    return {worker: seconds / (before - after) for worker, seconds in total.items()}


@bandits
def test_no_worker_idles_while_trials_remain(name: str) -> None:
    experiment = BANDITS[name].build()
    state, entries = simulate(experiment, Learning(), seconds_per_step=SPEEDS)
    assert state.phase is Phase.COMPLETE
    started = [e.time for e in entries for d in e.decided if _starts(d)]
    first, last = started[0], started[-1]
    assert last - first > 10
    shares = busy(entries, first + 1.0, last)
    assert len(shares) == 4
    assert min(shares.values()) >= 0.95, shares
    assert max(w.incarnation for w in state.workers.values()) == 1, "a worker was started twice"


def _starts(event: object) -> bool:
    return isinstance(event, Decided) and event.decision.kind is DecisionKind.START


@bandits
def test_every_trial_keeps_its_values_and_climbs_rung_by_rung(name: str) -> None:
    state, entries = simulate(BANDITS[name].build(), Learning(0.9), seconds_per_step=SPEEDS)
    assert verify(entries).divergence is None
    values: dict[str, Any] = {}
    for decision in taken(entries):
        assert values.setdefault(decision.member, decision.hyperparameters) == (
            decision.hyperparameters
        )
    for member in state.population:
        assert [result.rung for result in member.rungs] == list(range(len(member.rungs)))
        if member.decision.hyperparameters["lr"] > 0.9:
            assert member.stopped and len(member.rungs) == 1
    best = max(state.population, key=lambda m: max((r.score for r in m.rungs), default=0.0))
    assert state.best is not None and state.best.member == best.name
    kept = retention.retained(state)
    assert state.best.ref in kept
    waiting = sum(not m.stopped and m.step < 81 for m in state.population)
    assert len(kept) <= waiting + 1


def test_hyperband_trains_exactly_the_table() -> None:
    experiment = BANDITS["hyperband"].build()
    _, entries = simulate(experiment, Learning(), seconds_per_step=SPEEDS)
    entered = Counter(
        (d.bracket, d.rung) for d in taken(entries) if d.kind is not DecisionKind.STOP
    )
    for bracket in brackets_of(experiment):
        for rung, size in enumerate(bracket.sizes):
            assert entered[bracket.number, rung] == size


async def disturbed(
    experiment: PopulationExperiment, plan: list[Fault]
) -> tuple[State, tuple[Entry, ...], Simulation]:
    simulation = Simulation.of(experiment, Learning(), as_text=True, seconds_per_step=SPEEDS)
    for number in range(6000):
        for fault in plan:
            if fault.at == number:
                inflict(simulation, fault, set())
        deadline = await simulation.reconciler.reconcile("simulation", simulation.experiment)
        assert_sound(simulation.state)
        assert_on_volume(simulation.state, simulation.fleet, set())
        if simulation.state.cleaned_up:
            break
        assert simulation.clock.advance(deadline), "stuck"
    else:
        raise AssertionError("not over")
    return simulation.state, await simulation.entries(), simulation


FAULTS = faults((*HARMLESS, "exit"))


@settings(max_examples=40, deadline=None)
@given(FAULTS, st.integers(0, 5))
def test_a_crash_changes_no_decision_of_hyperband(plan: list[Fault], seed: int) -> None:
    experiment = a_bandit("hyperband").seed(seed).steps(1, 9).build()
    undisturbed = asyncio.run(disturbed(experiment, []))
    state, entries, _ = asyncio.run(disturbed(experiment, plan))
    assert verify(entries).divergence is None
    assert by_name(entries) == by_name(undisturbed[1])
    assert state.best is not None and undisturbed[0].best is not None
    assert state.best.member == undisturbed[0].best.member


@settings(max_examples=40, deadline=None)
@given(FAULTS, st.sampled_from(["promotion", "stopping"]), st.integers(0, 5))
def test_a_crash_loses_no_trial_of_asha(plan: list[Fault], variant: str, seed: int) -> None:
    built = a_bandit("asha", 30, eta=3, variant=variant).seed(seed).steps(1, 9)
    state, entries, _ = asyncio.run(disturbed(built.build(), plan))
    assert verify(entries).divergence is None
    assert state.phase is Phase.COMPLETE
    assert len(state.members) == 30
    for member in state.population:
        assert member.rungs, f"{member.name} was lost"
        trained = [d for d in taken(entries) if d.member == member.name]
        rungs = [d.rung for d in trained if d.kind is not DecisionKind.STOP]
        assert rungs == list(range(len(rungs))), "an issued promotion was lost or repeated"


def test_after_the_end_only_the_best_is_left_on_the_volume() -> None:
    state, _, simulation = asyncio.run(disturbed(BANDITS["hyperband"].steps(1, 9).build(), []))
    assert state.best is not None
    assert set(simulation.fleet.checkpoints) == {state.best.ref}


def test_a_trial_that_always_fails_ends_and_the_others_go_on() -> None:
    async def run() -> State:
        experiment = a_bandit("hyperband", 12, workers=2).steps(1, 9).max_restarts(1).build()
        speeds = {"w0": 0.5, "w1": 1.0}
        simulation = Simulation.of(experiment, Learning(), seconds_per_step=speeds)
        while await simulation.step():
            simulation.clock.after(0.1, lambda: None)  # It is killed before it has trained a step.
            member = simulation.state.members.get("m3")
            if member is not None and member.worker is not None and not member.reported:
                simulation.fleet.kill(member.worker)
        return simulation.state

    state = asyncio.run(run())
    assert state.phase is Phase.COMPLETE
    assert state.members["m3"].stopped and not state.members["m3"].rungs
    assert "failed 2 times in a row, so the trial ends" in state.members["m3"].decision.reason
    assert all(m.rungs for m in state.population if m.name != "m3")
