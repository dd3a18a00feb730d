"""What the Gaussian process of final scores is fitted to, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms import surrogate as module
from population_operator.algorithms.surrogate import bounded, most_telling, standardised
from population_operator.model.decision import DecisionKind
from tests.algorithms.bandits import a_bandit, a_trial, asked, named
from tests.algorithms.fits import counted_fits

LOSSES = np.linspace(0.1, 0.5, 19)


@pytest.mark.parametrize("worst", [1e6, 1e154, 1.7e308])
@pytest.mark.parametrize("count", [1, 8])
def test_what_diverged_hides_no_difference_among_the_others(worst: float, count: int) -> None:
    losses = np.concatenate((LOSSES, np.full(count, worst)))
    targets = standardised(bounded(-losses))
    assert np.isfinite(targets).all()
    assert np.ptp(targets[:19]) > 0.25
    assert (np.diff(targets[:19]) < 0.0).all() and (targets[19:] < targets[18]).all()


def test_what_is_not_finite_counts_as_the_worst_that_is_told_apart() -> None:
    targets = standardised(bounded(np.array([*-LOSSES, -1e6, -np.inf])))
    assert targets[-1] == targets[-2] < targets[-3]


def test_all_may_be_huge_and_nothing_overflows() -> None:
    targets = standardised(bounded(1e308 * np.array([-1.0, -0.5, 0.1, 1.0])))
    assert np.isfinite(targets).all() and (np.diff(targets) > 0.1).all()


def test_the_good_end_is_left_alone() -> None:
    merits = np.array([*-LOSSES, 1e6])
    assert (bounded(merits) == merits).all()


@given(st.integers(0, 9999), st.integers(2, 60), st.sampled_from([1e-6, 1.0, 1e6]))
def test_usual_results_stay_as_they_are(seed: int, count: int, unit: float) -> None:
    merits = unit * np.random.default_rng(seed).random(count)
    if count >= 20:  # Of a few, nobody knows what is usual.
        assert (bounded(merits) == merits).all()
    assert (np.diff(bounded(np.sort(merits))) >= 0.0).all()


@pytest.mark.parametrize("merits", [[], [1.0], [0.0, 0.0], [-np.inf], [2.0, 2.0, 2.0, -5.0]])
def test_where_nothing_is_usual_nothing_is_bounded(merits: list[float]) -> None:
    assert bounded(np.array(merits)).tolist() == merits


def test_the_best_and_the_latest_tell_most() -> None:
    merits = np.array([9.0, 0.0, 1.0, 8.0, 2.0, 3.0])
    assert most_telling(merits, 4) == [0, 3, 4, 5]
    assert most_telling(merits, 6) == most_telling(merits, 9) == list(range(6))
    assert most_telling(merits, 0) == []


def test_the_process_is_fitted_once_for_all_trials_of_a_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = counted_fits(monkeypatch, module)
    experiment = a_bandit("bayesian", 25, initialPoints=4).minimize().build()
    done = [a_trial(i, (81,), [(i - 3) ** 2], lr=10 ** -(i / 3)) for i in range(8)]
    found = asked(experiment, done, free=3)
    assert named(found, DecisionKind.START) == [8, 9, 10]
    assert len({d.hyperparameters["lr"] for d in found}) == 3
    assert calls == [8]
    first = asked(experiment, done, free=1)
    later = asked(experiment, [*done, *_begun(first)], free=1)
    assert (*first, *later) == found[:2], "whether they start at once or in turn"


def _begun(decisions: Any) -> list[Any]:
    return [
        a_trial(int(d.member[1:]), (81,), [], lr=float(d.hyperparameters["lr"])) for d in decisions
    ]
