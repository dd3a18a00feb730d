"""Time-varying EXP3.M: its constants, its caps, its draws, and that it follows the best arm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population_operator.algorithms.exp3m import (
    dep_round,
    draw,
    expectations,
    exploration,
    weights,
)


@st.composite
def plays_of_arms(draw_: st.DrawFn) -> tuple[np.ndarray, int, float]:
    arms = draw_(st.integers(1, 12))
    weight = np.array(draw_(st.lists(st.floats(1e-6, 1e6), min_size=arms, max_size=arms)))
    return weight, draw_(st.integers(1, 12)), draw_(st.floats(0.0, 1.0))


def test_gamma_is_the_papers() -> None:
    assert exploration(3, 4, 40) == exploration(4, 4, 40) == 0.2
    expected = math.sqrt(10 * math.log(10 / 4) / ((math.e - 1) * 4 * 200 / 10))
    assert exploration(10, 4, 200) == pytest.approx(expected)
    assert exploration(60, 1, 1) == 1.0


@settings(deadline=None)
@given(plays_of_arms())
def test_expected_plays_add_up_and_no_arm_is_played_twice(
    case: tuple[np.ndarray, int, float],
) -> None:
    weight, plays, gamma = case
    expected, capped = expectations(weight, plays, gamma)
    assert expected.sum() == pytest.approx(plays)
    assert (expected >= plays * gamma / len(weight) - 1e-9).all()
    if plays < len(weight):
        assert (expected <= 1.0 + 1e-9).all()
        assert expected[capped] == pytest.approx(1.0)
    else:
        assert not capped.any()


@settings(deadline=None)
@given(plays_of_arms(), st.integers(0, 10**6))
def test_a_draw_has_its_size_and_no_repeats_where_arms_suffice(
    case: tuple[np.ndarray, int, float], seed: int
) -> None:
    weight, plays, gamma = case
    chosen = draw(weight, plays, gamma, np.random.default_rng(seed))
    assert len(chosen) == plays
    assert set(chosen) <= set(range(len(weight)))
    if plays < len(weight):
        assert len(set(chosen)) == plays


def test_dependent_rounding_keeps_the_expectations() -> None:
    expected = np.array([1.0, 0.7, 0.5, 0.5, 0.3, 0.0])
    rng = np.random.default_rng(0)
    counts = np.zeros(6)
    for _ in range(4000):
        chosen = dep_round(expected, rng)
        assert len(chosen) == 3
        counts[chosen] += 1
    assert counts / 4000 == pytest.approx(expected, abs=0.03)


def test_the_better_arm_gains_and_a_change_of_the_best_is_followed() -> None:
    early = [([0, 1, 2, 0], [1.0, 0.3, 0.3, 1.0])] * 30
    late = [([0, 1, 2, 1], [0.2, 1.0, 0.2, 1.0])] * 30
    after_early = weights(early, 3, 60)
    assert after_early.argmax() == 0
    assert after_early[0] > 0.8
    assert weights(early + late, 3, 60).argmax() == 1
    assert weights([], 3, 60).tolist() == [1 / 3] * 3


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(-1, 4), st.floats(0, 1)), min_size=1, max_size=8),
        max_size=40,
    )
)
def test_weights_are_a_distribution_in_which_every_arm_keeps_a_share(
    plays: list[list[tuple[int, float]]],
) -> None:
    rounds = [([arm for arm, _ in row], [reward for _, reward in row]) for row in plays]
    found = weights(rounds, 5, 40)
    assert found.sum() == pytest.approx(1.0)
    assert (found > 0.0).all()
