"""What PB2 learns from: which intervals have a row, and in which units."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population_operator.algorithms.pb2_rows import (
    Layout,
    Point,
    Rows,
    ScoreScale,
    TargetScale,
    unit,
    units,
    value_at,
)
from population_operator.api import CategoricalDomain, Goal
from population_operator.model.key import Key
from population_operator.model.space import Space, draw, sample, to_unit
from population_operator.model.state import Transition
from tests.algorithms.spaces import belongs, space, spaces
from tests.builders import a_choice, a_float, an_integer, when

NAN, INF = math.nan, math.inf
LR = space(a_float("lr", 1e-4, 1.0, log=True))


def an_interval(
    index: int = 2, before: float | None = 1.0, after: float = 2.0, **more: Any
) -> Transition:
    values: dict[str, Any] = {"member": "m0", "steps": 10, "hyperparameters": {"lr": 0.01}}
    return Transition(index=index, before=before, after=after, **(values | more))


def rows(*intervals: Transition, goal: Goal = Goal.MAXIMIZE, window: int = 1000) -> Rows:
    return Rows.of(LR, goal, intervals, window)


def test_a_row_is_the_change_per_step_from_where_training_started() -> None:
    one = rows(an_interval(index=3, before=1.0, after=2.5))
    assert one.changes.tolist() == [0.15]
    assert one.inputs.coordinates.tolist() == [[pytest.approx(0.5), 0.5]]
    assert one.inputs.intervals.tolist() == [3.0]


def test_what_is_to_be_minimised_counts_downwards() -> None:
    one = rows(an_interval(before=2.0, after=1.0), goal=Goal.MINIMIZE)
    assert one.changes.tolist() == [0.1]


@pytest.mark.parametrize("before", [None, NAN, INF, -INF])
def test_without_a_score_before_there_is_no_row(before: float | None) -> None:
    assert len(rows(an_interval(before=before))) == 0


@pytest.mark.parametrize("after", [NAN, INF, -INF])
@pytest.mark.parametrize("goal", list(Goal))
def test_what_diverges_counts_as_the_worst(after: float, goal: Goal) -> None:
    found = rows(
        an_interval(after=1.5), an_interval(after=0.2), an_interval(index=3, after=after), goal=goal
    )
    assert found.changes[-1] == found.changes.min()
    assert np.isfinite(found.targets).all()


def test_the_window_keeps_the_newest() -> None:
    found = rows(*(an_interval(index=i) for i in range(1, 40)), window=10)
    assert found.inputs.intervals.tolist() == list(range(30, 40))


def test_rows_have_an_order_of_their_own() -> None:
    intervals = [
        an_interval(i, after=float(i * m), member=f"m{m}") for i in range(5) for m in (2, 10)
    ]
    shuffled = random.Random(0).sample(intervals, len(intervals))
    one, other = rows(*intervals), rows(*shuffled)
    assert one.changes.tolist() == other.changes.tolist()
    assert one.inputs.coordinates.tolist() == other.inputs.coordinates.tolist()


@settings(deadline=None)
@given(
    st.lists(st.integers(-1000, 1000), min_size=5, max_size=60),
    st.sampled_from([1e-6, 0.5, 3.0, 1e6]),
    st.sampled_from([-1e3, 0.0, 7.0]),
)
def test_targets_know_neither_the_scores_unit_nor_its_zero(
    changes: list[int], factor: float, shift: float
) -> None:
    raw = np.array(changes, dtype=float)
    one = TargetScale.of(raw).targets(raw)
    moved = raw * factor + shift * factor
    assert TargetScale.of(moved).targets(moved) == pytest.approx(one, abs=1e-6)
    assert (np.abs(one) <= 4.0).all()


def test_targets_are_standard_for_normal_changes_and_survive_a_collapse() -> None:
    changes = np.random.default_rng(0).normal(3.0, 0.5, 2000)
    assert TargetScale.of(changes).targets(changes).std() == pytest.approx(1.0, abs=0.05)
    changes[:20] = -1e12
    assert TargetScale.of(changes).targets(changes)[20:].std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "changes", [[], [2.0], [0.0] * 9, [5.0] * 50, [0.0] * 49 + [1.0], [1e300, -1e300, 0.0]]
)
def test_constant_and_extreme_changes_have_targets(changes: list[float]) -> None:
    raw = np.array(changes)
    assert np.isfinite(TargetScale.of(raw).targets(raw)).all()


def test_scores_are_coordinates_within_reach() -> None:
    scale = ScoreScale.of([float(i) for i in range(101)])
    assert [scale.unit(s) for s in (5.0, 95.0, 1e9, -1e9, NAN)] == [0.0, 1.0, 1.5, -0.5, 0.5]
    assert ScoreScale.of([]).unit(3.0) == ScoreScale.of([2.0, 2.0]).unit(2.0) == 0.5


def test_ordered_categories_are_coordinates_unless_something_depends_on_them() -> None:
    layout = Layout.of(
        space(
            a_choice("width", "32", "64", "128", type="integer", ordered=True),
            a_choice("optimizer", "adam", "sgd"),
            a_choice("depth", "1", "2", ordered=True),
            a_float("momentum", 0.0, 1.0, when=when("optimizer", "sgd")),
            an_integer("extra", 1, 9, when=when("depth", "2")),
        )
    )
    assert [p.name for p in layout.numeric] == ["width", "momentum", "extra"]
    assert [p.name for p in layout.categorical] == ["optimizer", "depth"]
    values = {"width": 64, "optimizer": "adam", "depth": "2", "extra": 9}
    inputs = layout.inputs([Point(values, 0.0, 3), Point({}, 0.0, 4)], ScoreScale(0.0, 1.0))
    assert inputs.coordinates.tolist() == [[0.5, 0.5, 1.0, 0.0], [0.5, 0.5, 0.5, 0.0]]
    assert inputs.categories.tolist() == [[0, 1], [-1, -1]]


@settings(deadline=None)
@given(spaces(), st.integers(0, 1000))
def test_a_column_is_to_unit_for_each_of_its_values(parameters: Space, seed: int) -> None:
    rng = Key(f"seed:{seed}").generator("m0", 1)
    for parameter in parameters:
        domain = parameter.domain
        if isinstance(domain, CategoricalDomain):
            continue
        values = [draw(parameter, rng) for _ in range(5)]
        expected = [to_unit(domain, float(value)) for value in values]
        assert units(parameter, values) == pytest.approx(expected, abs=1e-12)


@given(spaces(), st.integers(0, 1000), st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7))
@settings(deadline=None)
def test_coordinates_lead_back_into_the_domain(
    parameters: Space, seed: int, coordinates: list[float]
) -> None:
    layout = Layout.of(parameters)
    for parameter, coordinate in zip(layout.numeric, coordinates, strict=False):
        domain = parameter.domain
        if parameter.float_ and domain.max - domain.min < 1e-4 * abs(domain.max):  # type: ignore[union-attr]
            continue  # A grid finer than `clip` can tell apart.
        value = value_at(parameter, coordinate)
        assert belongs(parameter, value)
        assert unit(parameter, value_at(parameter, unit(parameter, value))) == pytest.approx(
            unit(parameter, value), abs=1e-9
        )
    values = sample(parameters, Key(f"seed:{seed}").generator("m0", 1))
    inputs = layout.inputs([Point(values, 0.0, 1)], ScoreScale(0.0, 1.0))
    assert ((inputs.coordinates >= -1e-9) & (inputs.coordinates <= 1 + 1e-9)).all()
