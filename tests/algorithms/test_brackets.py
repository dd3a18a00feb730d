"""Rung tables: the papers' numbers exactly, and what holds for any other."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.brackets import all_brackets, most_halvings, one_bracket
from population_operator.api.trials import Rounding

PAPER = [(81, 27, 9, 3, 1), (34, 11, 3, 1), (15, 5, 1), (8, 2), (5,)]


def test_the_table_of_the_paper() -> None:
    found = all_brackets(81, 1, 3, Rounding.UP)
    assert [bracket.sizes for bracket in found] == PAPER
    assert [b.steps for b in found] == [(1, 3, 9, 27, 81)[s:] for s in range(5)]
    assert [bracket.first for bracket in found] == [0, 81, 115, 130, 138]


def test_the_table_of_hpbandster() -> None:
    found = all_brackets(81, 1, 3, Rounding.DOWN)
    assert [b.sizes for b in found] == [(81, 27, 9, 3, 1), (27, 9, 3, 1), (9, 3, 1), (6, 2), (5,)]


def test_no_logarithm_is_off_by_one() -> None:
    assert int(math.log(243, 3)) == 4, "which is why none is taken"
    assert most_halvings(243, 1, 3) == 5
    for eta in range(2, 12):
        for power in range(1, 9):
            assert most_halvings(eta**power, 1, eta) == power
            assert most_halvings(eta**power - 1, 1, eta) == power - 1


budgets = st.tuples(st.integers(1, 50), st.integers(1, 400), st.integers(2, 6)).map(
    lambda it: (it[0] * it[1] + it[0] - 1, it[0], it[2])
)


@given(budgets, st.sampled_from(list(Rounding)))
def test_any_other_table(budget: tuple[int, int, int], rounding: Rounding) -> None:
    steps, interval, eta = budget
    found, most = all_brackets(steps, interval, eta, rounding), most_halvings(steps, interval, eta)
    assert len(found) == most + 1
    for bracket, halvings in zip(found, range(most, -1, -1), strict=True):
        exact = (most + 1) * eta**halvings / (halvings + 1)
        if rounding is Rounding.UP:
            assert bracket.sizes[0] == pytest.approx(math.ceil(exact - 1e-9))
        else:
            assert exact - eta**halvings < bracket.sizes[0] <= exact + 1e-9
        assert len(bracket.sizes) == len(bracket.steps) == halvings + 1
        assert bracket.steps[-1] == steps and bracket.steps[0] >= interval
        assert list(bracket.steps) == sorted(set(bracket.steps))
        assert all(b == bracket.sizes[0] // eta**i for i, b in enumerate(bracket.sizes))
        for i, step in enumerate(bracket.steps):
            assert step <= steps / eta ** (halvings - i) < step + 1
    assert all(a.end == b.first for a, b in pairwise(found))


@given(budgets, st.integers(1, 500))
def test_a_number_of_trials_cuts_or_repeats(budget: tuple[int, int, int], trials: int) -> None:
    found = all_brackets(*budget, Rounding.UP, trials)
    assert found[-1].end == trials
    assert all(min(bracket.sizes) >= 1 for bracket in found)


@given(budgets, st.integers(1, 500))
def test_one_bracket_ends_at_the_last_step(budget: tuple[int, int, int], trials: int) -> None:
    steps, interval, eta = budget
    bracket = one_bracket(trials, steps, interval, eta)
    assert bracket.sizes[0] == trials and bracket.steps[-1] == steps
    assert min(bracket.sizes) >= 1 and bracket.steps[0] >= interval
    assert list(bracket.sizes) == sorted(bracket.sizes, reverse=True)
