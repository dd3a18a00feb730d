"""The process of all rungs: what it proposes, when it says nothing, and what it costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from population_operator.algorithms import modelled as module
from population_operator.algorithms.modelled import Results, modelled, spread
from population_operator.model.key import Key
from population_operator.model.state import Member
from tests.algorithms.bandits import a_bandit, a_trial
from tests.algorithms.fits import counted_fits
from tests.builders import ExperimentBuilder, a_state

STEPS = (1, 3, 9, 27, 81)
RATES = [10 ** -(i / 4) for i in range(17)]


def a_search() -> ExperimentBuilder:
    return a_bandit("asha", 100, eta=3, sampler="gaussianProcess")


def proposed(
    members: Sequence[Member], pending: Sequence[float] = (), built: ExperimentBuilder | None = None
) -> list[float]:
    """The rates that the process proposes to the next thirty trials."""
    experiment = (built or a_search()).build()
    state, running = a_state(experiment, *members), [{"lr": rate} for rate in pending]
    indices = range(len(members), len(members) + 30)
    propose = modelled(experiment, state, Key.of(experiment))
    found = [propose(i, running) for i in indices]
    return [float(one[0]["lr"]) for one in found if one is not None]


def trials(curve: Callable[[float, int], float], longest: int = 1) -> list[Member]:
    """One for each rate, every second one of them trained to the end of rung `longest`."""
    return [
        a_trial(i, STEPS, [curve(rate, step) for step in STEPS[: longest if i % 2 else 1]], lr=rate)
        for i, rate in enumerate(RATES)
    ]


def peak(at: float, rate: float) -> float:
    return -((math.log10(rate) - at) ** 2)


def test_long_trainings_overrule_short_ones() -> None:
    """Where 1 step says 0.1 is the best, and 81 steps say that 0.001 is."""
    members = trials(lambda rate, step: peak(-1 - math.log(step, 9), rate), longest=5)
    assert statistics.median(map(math.log10, proposed(members))) == pytest.approx(-3, abs=0.3)


def test_short_trainings_are_what_there_is_to_go_by() -> None:
    members = trials(lambda rate, step: peak(-1, rate))
    assert statistics.median(map(math.log10, proposed(members))) == pytest.approx(-1, abs=0.3)


def test_losses_over_powers_of_ten_hide_no_difference_among_the_good() -> None:
    members = trials(lambda rate, step: -(0.02 + 5.0 * (math.log10(rate) + 2.0) ** 4))
    assert statistics.median(map(math.log10, proposed(members))) == pytest.approx(-2, abs=0.3)


def test_what_is_being_tried_is_not_tried_again() -> None:
    members = trials(lambda rate, step: peak(-1.5, rate))
    alone = proposed(members)
    beside = proposed(members, pending=alone[:8])
    near = [min(abs(math.log10(a / b)) for b in alone[:8]) for a in beside]
    assert not set(beside) & set(alone[:8])
    assert max(near) > 0.0


def test_a_third_are_draws_and_so_are_initial_and_the_first() -> None:
    members = trials(lambda rate, step: peak(-1, rate))
    assert 12 <= len(proposed(members)) <= 28
    given_all = a_search().set("spec.initial", [{"lr": 0.1}] * 60)
    assert proposed(members, built=given_all) == []
    assert proposed(members[:5]) == []  # 2 (D + 2) results are six.
    assert proposed(members[:6]) != []


def test_the_rows_are_bounded_and_keep_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 8)
    members = trials(lambda rate, step: peak(-1, rate))
    experiment = a_search().build()
    results = Results.of(experiment, a_state(experiment, *members))
    rates = [values["lr"] for values in results.values]
    assert len(rates) == len(results.merits) == len(results.shares) == 8
    assert set(RATES[2:7]) >= set(sorted(rates, key=lambda r: abs(math.log10(r) + 1))[:4])
    assert set(rates) >= set(RATES[-4:])


def test_the_process_is_fitted_once_for_all_trials_of_a_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = counted_fits(monkeypatch, module)
    members = trials(lambda rate, step: peak(-1, rate))
    assert len(proposed(members)) > 10
    assert calls == [17]


def test_a_trial_that_failed_for_good_is_the_worst_of_its_rung() -> None:
    members = [
        a_trial(0, STEPS, [0.5]),
        a_trial(1, STEPS, [0.4], stopped=True),  # It was not among the best.
        a_trial(2, STEPS, [0.6], rung=1, stopped=True, lr=0.3),
        a_trial(3, STEPS, [], stopped=True, lr=0.7),
        a_trial(4, STEPS, [0.5], rung=1),  # It trains.
    ]
    results = Results.of(a_search().build(), a_state(a_search(), *members))
    rows = [
        (values["lr"], share) for values, share in zip(results.values, results.shares, strict=True)
    ]
    assert rows == [(0.1, 0.0), (0.1, 0.0), (0.3, 0.0), (0.3, 0.25), (0.7, 0.0), (0.1, 0.0)]
    worst = results.merits.min()
    assert np.flatnonzero(results.merits == worst).tolist() == [1, 3, 4]


@example([0.0, 5e-324])
@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([-math.inf]), min_size=1))
def test_spread_keeps_the_order(merits: list[float]) -> None:
    found = spread(np.array(merits))
    assert np.isfinite(found).all()
    order = np.argsort(np.array(merits), kind="stable")
    assert (np.diff(found[order]) >= -1e-9).all()


def test_bad_scores_alone_are_no_model_and_no_error() -> None:
    members = trials(lambda rate, step: math.nan)
    assert all(1e-4 <= rate <= 1.0 for rate in proposed(members))
    assert proposed(trials(lambda rate, step: 0.5))
