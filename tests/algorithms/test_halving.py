"""Synchronous halving: who goes on, who ends, and what starts meanwhile."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.hyperband import Hyperband, brackets_of
from population_operator.model.decision import DecisionKind
from population_operator.model.key import Key
from population_operator.model.state import Member, State
from tests.algorithms.bandits import a_bandit, a_trial, asked, named
from tests.builders import a_state

NINE = a_bandit("successiveHalving", 9)
STEPS = (9, 27, 81)
scores = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.5, math.nan, math.inf, -math.inf])),
    min_size=9,
    max_size=9,
)


@given(scores)
def test_a_complete_rung_sends_on_the_best_and_ends_the_others(values: list[float]) -> None:
    found = asked(NINE.build(), [a_trial(i, STEPS, [s]) for i, s in enumerate(values)])
    assert [d.member for d in found] == [f"m{i}" for i in range(9)]
    going_on, ended = named(found, DecisionKind.PROMOTE), named(found, DecisionKind.STOP)
    finite = [i for i in range(9) if math.isfinite(values[i])]
    assert going_on == sorted(sorted(finite, key=lambda i: (-values[i], i))[:3])
    assert sorted(going_on + ended) == list(range(9))
    for decision in found:
        if decision.kind is DecisionKind.PROMOTE:
            assert (decision.until, decision.rung, decision.source.step) == (27, 1, 9)


@given(scores, st.integers(0, 8))
def test_nobody_is_answered_while_one_trains(values: list[float], late: int) -> None:
    trials = [a_trial(i, STEPS, [s] if i != late else []) for i, s in enumerate(values)]
    assert asked(NINE.build(), trials, free=3) == ()


def test_a_trial_that_failed_leaves_its_place_to_others() -> None:
    trials = [a_trial(i, STEPS, [i / 10]) for i in range(8)] + [a_trial(8, STEPS, [], stopped=True)]
    assert named(asked(NINE.build(), trials), DecisionKind.PROMOTE) == [5, 6, 7]


def test_goal_minimize() -> None:
    trials = [a_trial(i, STEPS, [i / 10]) for i in range(9)]
    assert named(asked(NINE.minimize().build(), trials), DecisionKind.PROMOTE) == [0, 1, 2]


def test_a_worker_that_saves_nothing_starts_again_from_zero() -> None:
    found = asked(NINE.build(), [a_trial(i, STEPS, [i / 10], saves=False) for i in range(9)])
    best = found[-1]
    assert best.kind is DecisionKind.PROMOTE and best.source is None and best.until == 27
    assert "starts again from zero" in best.reason


def test_a_trial_beyond_its_next_rung_trains_at_least_a_step_more() -> None:
    trials = []
    for i in range(9):
        trial, step = a_trial(i, STEPS, [i / 10]), 9 + i * 4
        latest = trial.latest and trial.latest.model_copy(update={"step": step})
        trials.append(replace(trial, step=step, latest=latest))
    found = [d for d in asked(NINE.build(), trials) if d.kind is DecisionKind.PROMOTE]
    assert [(d.rung, d.source and d.source.step, d.until) for d in found] == [
        (1, 33, 34),
        (1, 37, 38),
        (1, 41, 42),
    ]


def test_free_workers_begin_the_next_bracket() -> None:
    experiment = a_bandit("hyperband").build()
    steps = (1, 3, 9, 27, 81)
    trials = [a_trial(i, steps, [i / 100]) for i in range(80)] + [a_trial(80, steps, [])]
    found = asked(experiment, trials, free=3)
    assert named(found, DecisionKind.START) == [81, 82, 83]
    assert {(d.bracket, d.rung, d.until) for d in found} == {(1, 0, 3)}
    trials[80] = a_trial(80, steps, [0.995])
    found = asked(experiment, trials, free=4)
    assert len(named(found, DecisionKind.PROMOTE)) == 27
    assert named(found, DecisionKind.START) == [], "those that go on need the workers"


def test_the_demand_falls_from_all_to_nothing() -> None:
    experiment = a_bandit("hyperband").build()
    bandit, total = Hyperband(), brackets_of(experiment)[-1].end
    assert bandit.demand(experiment, a_state(experiment)) == total == 143
    ended = [a_trial(i, (81,), [0.5], stopped=True) for i in range(total)]
    assert bandit.demand(experiment, a_state(experiment, *ended)) == 0
    waits = [*ended[:-2], a_trial(141, (81,), [], bracket=4), a_trial(142, (81,), [], bracket=4)]
    assert bandit.demand(experiment, a_state(experiment, *waits)) == 2


def test_the_population_is_looked_through_once_however_many_brackets_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = a_bandit("hyperband", 143 * 6).build()
    assert len(brackets_of(experiment)) == 30
    state = a_state(experiment, *[a_trial(i, (1,), []) for i in range(143)])
    whole, asked_for = state.population, []

    def counting(self: State) -> tuple[Member, ...]:
        asked_for.append(self)
        return whole

    monkeypatch.setattr(State, "population", property(counting))
    Hyperband().demand(experiment, state)
    assert len(asked_for) == 1
    Hyperband().decide(experiment, state, (), 1, Key.of(experiment))
    assert len(asked_for) <= 3


def test_configurations_depend_on_the_index_alone() -> None:
    experiment = a_bandit("hyperband").build()
    bandit, key = Hyperband(), Key.of(experiment)
    together = bandit.decide(experiment, a_state(experiment), (), 3, key)
    later = bandit.decide(
        experiment, a_state(experiment, *[a_trial(i, (1,), []) for i in range(2)]), (), 1, key
    )
    assert later == together[2:]
