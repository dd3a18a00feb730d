"""ASHA: as soon as it may, and never outside the best one in eta."""

from __future__ import annotations

import math
import statistics

from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.asha import AsynchronousHalving
from population_operator.model.decision import DecisionKind
from tests.algorithms.bandits import a_bandit, a_trial, asked, named
from tests.builders import a_state

STEPS = (1, 5, 20, 81)
ASHA = a_bandit("asha", 100, eta=4)
STOPPING = a_bandit("asha", 100, eta=4, variant="stopping")
score = st.one_of(st.floats(0, 1), st.sampled_from([0.5, 0.5, math.nan]))


def best(values: list[float], places: int) -> list[int]:
    finite = [i for i, value in enumerate(values) if math.isfinite(value)]
    return sorted(sorted(finite, key=lambda i: (-values[i], i))[:places])


@given(st.lists(score, max_size=30))
def test_the_best_one_in_eta_is_promoted_at_once(values: list[float]) -> None:
    found = asked(ASHA.build(), [a_trial(i, STEPS, [s]) for i, s in enumerate(values)])
    assert sorted(named(found, DecisionKind.PROMOTE)) == best(values, len(values) // 4)
    ended = named(found, DecisionKind.STOP)
    assert sorted(ended) == [i for i, value in enumerate(values) if not math.isfinite(value)]


@given(st.lists(score, min_size=4, max_size=30), st.data())
def test_who_was_promoted_counts_and_is_not_promoted_again(
    values: list[float], data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.integers(0, len(values) - 1), max_size=5))
    trials = [a_trial(i, STEPS, [s], rung=i in gone) for i, s in enumerate(values)]
    promoted = set(named(asked(ASHA.build(), trials), DecisionKind.PROMOTE))
    assert promoted == set(best(values, len(values) // 4)) - gone


def test_the_highest_rung_comes_first_and_new_trials_last() -> None:
    low = [a_trial(i, STEPS, [i / 10]) for i in range(4)]
    high = [a_trial(i, STEPS, [0.9, i / 10]) for i in range(4, 8)]
    found = asked(ASHA.build(), [*low, *high], free=4)
    kinds = [(d.kind, d.rung) for d in found]
    assert kinds[0] == (DecisionKind.PROMOTE, 2)
    assert found[0].member == "m7" and found[0].until == 20
    assert named(found, DecisionKind.START) == [8, 9, 10]


@given(st.lists(score, min_size=1, max_size=30))
def test_stopping_answers_everybody(values: list[float]) -> None:
    found = asked(STOPPING.build(), [a_trial(i, STEPS, [s]) for i, s in enumerate(values)])
    assert sorted(int(d.member[1:]) for d in found) == list(range(len(values)))
    places = len(values) // 4 if len(values) >= 4 else len(values)
    assert sorted(named(found, DecisionKind.PROMOTE)) == best(values, places)


def test_size_bounds_the_trials() -> None:
    experiment = a_bandit("asha", 3, workers=3).build()
    found = asked(experiment, [a_trial(i, STEPS, []) for i in range(2)], free=2)
    assert named(found, DecisionKind.START) == [2]


def test_without_size_the_time_bounds_them() -> None:
    experiment = a_bandit("asha", workers=3).max_duration(60).build()
    assert named(asked(experiment, [], free=3), DecisionKind.START) == [0, 1, 2]


def test_it_is_over_when_nobody_can_be_promoted() -> None:
    experiment, bandit = a_bandit("asha", 3, workers=3).build(), AsynchronousHalving()
    waiting = [a_trial(i, STEPS, [0.1]) for i in range(3)]
    assert bandit.demand(experiment, a_state(experiment, *waiting)) == 0
    assert bandit.demand(experiment, a_state(experiment, *waiting[:2], a_trial(2, STEPS, []))) == 1


def test_with_a_process_new_trials_are_where_the_scores_are_good() -> None:
    built = a_bandit("asha", 100, eta=4, sampler="gaussianProcess").build()
    rates = [10 ** -(i / 3) for i in range(13)]
    trials = [
        a_trial(i, STEPS, [-((math.log10(lr) + 2) ** 2)], lr=lr) for i, lr in enumerate(rates)
    ]
    began = [d for d in asked(built, trials, free=30) if d.kind is DecisionKind.START]
    far: dict[bool, list[float]] = {True: [], False: []}
    for decision in began:
        assert decision.hyperparameters is not None
        modelled = decision.reason.endswith("a Gaussian process of 13 results on all rungs")
        rate = float(decision.hyperparameters["lr"])
        far[modelled].append(abs(math.log10(rate) + 2))
    assert len(far[True]) > len(far[False]) > 0
    assert statistics.median(far[True]) < statistics.median(far[False]) / 2
    assert len({decision.hyperparameters["lr"] for decision in began}) == len(began)
