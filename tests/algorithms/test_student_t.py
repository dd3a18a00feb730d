"""The t-test against scipy's, over its whole range."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from population_operator.algorithms.student_t import (
    regularised_incomplete_beta,
    two_sided,
    welch,
)

RELATIVE = 1e-10
values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@pytest.mark.parametrize("freedom", [1.0, 1.5, 2.0, 4.37, 9.0, 18.0, 57.3, 198.0, 1e4])
def test_two_sided_agrees_with_scipy_from_1_down_to_the_smallest_p(freedom: float) -> None:
    for t in np.concatenate([[0.0], np.geomspace(1e-4, 1e6, 200)]):
        expected = float(2 * stats.t.sf(t, freedom))
        if expected > 1e-280:
            assert two_sided(float(t), freedom) == pytest.approx(expected, rel=RELATIVE)
            assert two_sided(-float(t), freedom) == two_sided(float(t), freedom)


@given(st.floats(0, 1e150))
def test_two_sided_agrees_with_the_closed_forms_of_one_and_two_degrees(t: float) -> None:
    # Where t is tiny, scipy itself answers exactly 1.
    assert two_sided(t, 1.0) == pytest.approx(2 / math.pi * math.atan2(1.0, t), rel=RELATIVE)
    root = math.hypot(t, math.sqrt(2))
    assert two_sided(t, 2.0) == pytest.approx(2 / root / (root + t), rel=RELATIVE)


@given(st.floats(0.01, 500), st.floats(0.01, 500), st.floats(1e-300, 1))
def test_the_incomplete_beta_agrees_with_scipy(a: float, b: float, x: float) -> None:
    ours = regularised_incomplete_beta(a, b, x=x, complement=1.0 - x)
    assert ours == pytest.approx(float(special.betainc(a, b, x)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("t", "p"), [(0.0, 1.0), (math.inf, 0.0), (-math.inf, 0.0), (1e200, 0.0)])
def test_the_ends_of_the_distribution(t: float, p: float) -> None:
    assert two_sided(t, 5.0) == p


def test_a_fraction_that_does_not_converge_says_so() -> None:
    with pytest.raises(ArithmeticError, match="does not converge"):
        regularised_incomplete_beta(1e14, 1e14, x=0.5, complement=0.5)


@given(values, values)
def test_welch_agrees_with_scipy(first: list[float], second: list[float]) -> None:
    ours = welch(first, second)
    spread = [np.ptp(side) / max(1.0, *np.abs(side)) for side in (first, second)]
    if max(spread) < 1e-5:
        return  # scipy's variances of nearly constant values have lost their digits.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert ours == pytest.approx(float(expected), rel=1e-6, abs=1e-12)


def test_welch_agrees_with_scipy_to_ten_digits_on_ordinary_samples() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        first = rng.normal(0.0, rng.uniform(0.1, 5), rng.integers(2, 40)).tolist()
        second = rng.normal(1.0, rng.uniform(0.1, 5), rng.integers(2, 40)).tolist()
        expected = float(stats.ttest_ind(first, second, equal_var=False).pvalue)
        assert welch(first, second) == pytest.approx(expected, rel=RELATIVE)


@given(values, values)
def test_welch_is_symmetric_and_does_not_depend_on_the_unit(
    first: list[float], second: list[float]
) -> None:
    p = welch(first, second)
    assert welch(second, first) == (p if p is None else pytest.approx(p, rel=1e-9, abs=1e-300))
    assert welch([4 * v for v in first], [4 * v for v in second]) == (
        p if p is None else pytest.approx(p, rel=1e-9, abs=1e-300)
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([], [1.0, 2.0]),
        ([1.0], [1.0, 2.0]),
        ([1.0, 2.0], [1.0]),
        ([0.1, 0.1, 0.1], [0.2, 0.2]),
        ([0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_there_is_no_test_without_two_values_or_any_variance(
    first: list[float], second: list[float]
) -> None:
    assert welch(first, second) is None


def test_variance_on_one_side_is_enough() -> None:
    expected = float(stats.ttest_1samp([1.0, 2.0, 3.0], 5.0).pvalue)
    assert welch([1.0, 2.0, 3.0], [5.0, 5.0]) == pytest.approx(expected, rel=RELATIVE)


def test_huge_values_do_not_overflow() -> None:
    expected = welch([1.0, 2.0, 3.0], [4.0, 5.0, 7.0])
    assert expected is not None
    huge = [[v * 2.0**1020 for v in side] for side in ([1.0, 2.0, 3.0], [4.0, 5.0, 7.0])]
    assert welch(*huge) == pytest.approx(expected, rel=RELATIVE)


def test_a_nominal_level_is_held_under_the_null_hypothesis() -> None:
    rng = np.random.default_rng(1)
    pairs = rng.normal(size=(2000, 2, 10)) * np.array([1.0, 3.0])[None, :, None]
    below = sum((welch(a.tolist(), b.tolist()) or 1.0) < 0.05 for a, b in pairs)
    assert 0.03 < below / len(pairs) < 0.07
