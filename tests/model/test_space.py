"""The search space: whatever is drawn, clipped or mapped is a value that the manifest allows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from population_operator.api import FloatDomain, IntegerDomain, Parameter, Scale
from population_operator.api.values import typed as validated
from population_operator.model.space import (
    Space,
    categories,
    clip,
    draw,
    from_unit,
    is_active,
    sample,
    to_unit,
    to_units,
    typed,
    typed_all,
)
from tests.builders import a_choice, a_float, an_integer, when

Numeric = FloatDomain | IntegerDomain
SEEDS = st.integers(0, 2**32)


@st.composite
def floats(draw: st.DrawFn, stepped: bool | None = None) -> FloatDomain:
    log = draw(st.booleans())
    low = draw(st.floats(1e-9, 1e6) if log else st.floats(-1e6, 1e6))
    high = low + draw(st.floats(1e-6, 1e6)) * max(abs(low), 1e-3)
    assume(high > low)
    step = None
    if not log and (draw(st.booleans()) if stepped is None else stepped):
        step = (high - low) / draw(st.floats(1.0, 1000.0))
        assume(0 < step <= high - low)
    scale = Scale.LOG if log else Scale.LINEAR
    return FloatDomain(min=low, max=high, scale=scale, step=step)


@st.composite
def integers(draw: st.DrawFn, stepped: bool | None = None) -> IntegerDomain:
    log = draw(st.booleans())
    low = draw(st.integers(1, 10**6) if log else st.integers(-(10**6), 10**6))
    high = low + draw(st.integers(1, 10**6))
    step = None
    if not log and (draw(st.booleans()) if stepped is None else stepped):
        step = draw(st.integers(1, high - low))
    scale = Scale.LOG if log else Scale.LINEAR
    return IntegerDomain(min=low, max=high, scale=scale, step=step)


def numeric() -> st.SearchStrategy[Numeric]:
    return st.one_of(floats(), integers())


def parameter(domain: Numeric) -> Parameter:
    kind = "float" if isinstance(domain, FloatDomain) else "integer"
    return Parameter.model_validate({"name": "p", kind: domain.model_dump()})


def space(*manifests: dict[str, object]) -> Space:
    return tuple(Parameter.model_validate(m) for m in manifests)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def assert_allowed(domain: Numeric, value: object) -> None:
    """Of the declared type, within the bounds, and what the manifest itself would take."""
    assert type(value) is (float if isinstance(domain, FloatDomain) else int)
    assert domain.min <= value <= domain.max  # type: ignore[operator]
    assert validated(parameter(domain), value) == value  # type: ignore[arg-type]


# --- numbers ---


@given(numeric(), SEEDS)
def test_a_draw_is_allowed(domain: Numeric, seed: int) -> None:
    assert_allowed(domain, draw(parameter(domain), rng(seed)))


@given(numeric(), st.floats(allow_nan=False))
def test_clipping_gives_an_allowed_value_and_leaves_it_alone(domain: Numeric, value: float) -> None:
    clipped = clip(domain, value)
    assert_allowed(domain, clipped)
    assert clip(domain, clipped) == clipped


@given(floats(stepped=False), st.floats(0, 1))
def test_what_lies_within_is_not_clipped(domain: FloatDomain, unit: float) -> None:
    value = min(max(domain.min + unit * (domain.max - domain.min), domain.min), domain.max)
    assert clip(domain, value) == value


@given(integers(stepped=False), st.floats(0, 1))
def test_whole_numbers_are_rounded_to_the_nearest(domain: IntegerDomain, unit: float) -> None:
    value = domain.min + unit * (domain.max - domain.min)
    assert abs(clip(domain, value) - value) <= 0.5


@given(numeric())
def test_nan_is_nothing_to_clip(domain: Numeric) -> None:
    with pytest.raises(ValueError, match="NaN"):
        clip(domain, math.nan)


@given(numeric())
def test_the_bounds_are_the_ends_of_the_unit_interval(domain: Numeric) -> None:
    assert to_unit(domain, domain.min) == 0.0
    assert to_unit(domain, domain.max) == 1.0
    assert from_unit(domain, 0.0) == pytest.approx(domain.min)
    if not domain.step:
        assert from_unit(domain, 1.0) == pytest.approx(domain.max)


@given(numeric(), st.floats(0, 1))
def test_unit_coordinates_are_allowed_and_come_back(domain: Numeric, unit: float) -> None:
    value = from_unit(domain, unit)
    assert_allowed(domain, value)
    assert 0.0 <= to_unit(domain, value) <= 1.0
    if isinstance(domain, FloatDomain) and not domain.step:
        assert to_unit(domain, value) == pytest.approx(unit, abs=1e-6)
    assert from_unit(domain, to_unit(domain, value)) == pytest.approx(value)


@given(domain=numeric(), units=st.lists(st.floats(0, 1), max_size=5))
def test_many_units_are_those_of_each(domain: Numeric, units: list[float]) -> None:
    values = [float(from_unit(domain, unit)) for unit in units]
    found = to_units(domain, np.array([*values, math.nan]))
    assert found[:-1] == pytest.approx([to_unit(domain, value) for value in values], abs=1e-12)
    assert math.isnan(found[-1])


@given(numeric(), st.floats(0, 1), st.floats(0, 1))
def test_the_order_is_kept(domain: Numeric, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert from_unit(domain, low) <= from_unit(domain, high)


@given(numeric(), st.floats(-10, 10))
def test_beyond_the_unit_interval_lies_the_bound(domain: Numeric, unit: float) -> None:
    assert_allowed(domain, from_unit(domain, unit))


# --- grids ---


def test_a_grid_has_no_drift() -> None:
    domain = FloatDomain(min=0.1, max=0.9, step=0.1)
    found = {clip(domain, 0.1 + n * 0.1) for n in range(9)}
    assert sorted(found) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_a_grid_that_does_not_reach_the_maximum_stops_before_it() -> None:
    assert clip(FloatDomain(min=0.0, max=1.0, step=0.4), 1.0) == 0.8
    assert clip(IntegerDomain(min=1, max=10, step=4), 10) == 9


@pytest.mark.parametrize(
    "domain",
    [
        FloatDomain(min=0.0, max=1.0, step=0.25),
        IntegerDomain(min=0, max=4),
        IntegerDomain(min=10, max=18, step=2),
    ],
)
def test_each_point_of_a_grid_is_as_likely_as_the_others(domain: Numeric) -> None:
    generator, one = rng(1), parameter(domain)
    found = [draw(one, generator) for _ in range(5000)]
    counts = [found.count(value) for value in sorted(set(found))]
    assert len(counts) == 5
    assert min(counts) > 850, counts


def test_a_log_scale_gives_each_factor_of_ten_its_share() -> None:
    generator, one = rng(2), parameter(FloatDomain(min=1e-4, max=1.0, scale=Scale.LOG))
    decades = [math.floor(math.log10(float(draw(one, generator)))) for _ in range(4000)]
    assert all(abs(decades.count(n) - 1000) < 120 for n in (-4, -3, -2, -1))


# --- types ---


def test_numbers_come_back_from_json_in_their_declared_type() -> None:
    rate, batch = space(a_float("lr", 0.0, 1.0), an_integer("batch", 1, 9))
    assert type(typed(rate, 1)) is float
    assert type(typed(batch, 4.0)) is int


@pytest.mark.parametrize(
    ("kind", "texts", "values"),
    [
        ("string", ("1", "true"), ("1", "true")),
        ("integer", ("64", "-1"), (64, -1)),
        ("float", ("0.5", "1e-3", "2"), (0.5, 0.001, 2.0)),
        ("boolean", ("true", "false"), (True, False)),
    ],
)
def test_categories_are_what_their_type_says(
    kind: str, texts: tuple[str, ...], values: tuple[object, ...]
) -> None:
    (one,) = space(a_choice("c", *texts, type=kind))
    assert one.categorical is not None
    found = categories(one.categorical)
    assert [(type(v), v) for v in found] == [(type(v), v) for v in values]
    for value in values:
        again = typed(one, value)  # type: ignore[arg-type]
        assert (type(again), again) == (type(value), value)
    assert {draw(one, rng(seed)) for seed in range(40)} == set(values)


def test_values_of_unknown_parameters_are_dropped_and_the_order_is_the_spaces() -> None:
    both = space(a_float("a", 0.0, 1.0), an_integer("b", 1, 9))
    assert list(typed_all(both, {"x": 1, "b": 2, "a": 1})) == ["a", "b"]


# --- conditions ---

CASH = space(
    a_float("momentum", 0.0, 0.99, when=when("optimizer", "sgd", "rmsprop")),
    a_choice("optimizer", "adam", "sgd", "rmsprop"),
    a_float("beta", 0.5, 0.99, when=when("optimizer", "adam")),
    a_float("lr", 1e-4, 1.0, log=True),
)


@given(SEEDS)
def test_exactly_the_active_parameters_are_there(seed: int) -> None:
    values = sample(CASH, rng(seed))
    assert list(values) == [p.name for p in CASH if is_active(p, CASH, values)]
    assert ("momentum" in values) == (values["optimizer"] in ("sgd", "rmsprop"))
    assert ("beta" in values) == (values["optimizer"] == "adam")


@given(SEEDS, st.sampled_from(["adam", "sgd", "rmsprop"]))
def test_a_given_value_stays_and_moves_nobody_elses_draw(seed: int, optimizer: str) -> None:
    free, fixed = sample(CASH, rng(seed)), sample(CASH, rng(seed), {"optimizer": optimizer})
    assert fixed["optimizer"] == optimizer
    assert fixed["lr"] == free["lr"]
    if free["optimizer"] == optimizer:
        assert fixed == free


def test_a_condition_on_a_typed_category() -> None:
    typed_space = space(
        a_choice("deep", "true", "false", type="boolean"),
        an_integer("layers", 2, 9, when=when("deep", "true")),
    )
    assert "layers" in sample(typed_space, rng(1), {"deep": True})
    assert "layers" not in sample(typed_space, rng(1), {"deep": False})


def test_without_its_parent_nothing_is_active() -> None:
    assert not is_active(CASH[0], CASH, {"lr": 0.1})


def test_the_same_seed_draws_the_same() -> None:
    assert sample(CASH, rng(5)) == sample(CASH, rng(5))
