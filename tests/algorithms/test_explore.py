"""Perturb and resample: what becomes of a copied configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.explore import explore, perturbed
from population_operator.api import FloatDomain, IntegerDomain, Value
from population_operator.api.algorithm import Explore
from population_operator.model.space import Space, is_active, sample
from tests.algorithms.spaces import belongs, space, spaces
from tests.builders import a_choice, a_float, when

seeds = st.integers(0, 2**32)


def block(*factors: float, resample: float = 0.0) -> Explore:
    return Explore.model_validate(
        {"perturb": {"factors": factors or (0.8, 1.2)}, "resample": {"probability": resample}}
    )


def explored(
    some: Space, donor: Mapping[str, Value], how: Explore | None = None, seed: int = 0
) -> dict[str, Value]:
    return explore(some, donor, how or block(), np.random.default_rng(seed))


def many(
    some: Space, donor: Mapping[str, Value], how: Explore | None = None, count: int = 4000
) -> Iterator[dict[str, Value]]:
    return (explored(some, donor, how, seed) for seed in range(count))


LR = space(a_float("lr", 1e-4, 1.0, log=True))


# --- properties over all spaces ------------------------------------------------------------------


@given(spaces(), seeds, seeds, st.floats(0, 1), st.floats(0.1, 10))
def test_bounds_grids_types_and_conditions_always_hold(
    some: Space, start: int, seed: int, probability: float, factor: float
) -> None:
    donor = sample(some, np.random.default_rng(start))
    values = explored(some, donor, block(factor, 1 / factor + 0.1, resample=probability), seed)
    assert list(values) == [p.name for p in some if is_active(p, some, values)]
    assert all(belongs(p, values[p.name]) for p in some if p.name in values)


@given(spaces(), seeds, seeds)
def test_the_same_draws_give_the_same_configuration(some: Space, start: int, seed: int) -> None:
    donor = sample(some, np.random.default_rng(start))
    assert explored(some, donor, seed=seed) == explored(some, donor, seed=seed)


@given(spaces(), seeds, seeds)
def test_what_is_not_mutable_stays_the_donors(some: Space, start: int, seed: int) -> None:
    donor = sample(some, np.random.default_rng(start))
    values = explored(some, donor, block(resample=0.5), seed)
    for parameter in some:
        if not parameter.mutable and {parameter.name} <= values.keys() & donor.keys():
            assert values[parameter.name] == donor[parameter.name]


@given(spaces(), seeds, seeds, seeds)
def test_no_parameters_value_depends_on_anothers(
    some: Space, start: int, other: int, seed: int
) -> None:
    """Two donors that share one value: it moves alike, wherever it is active in both."""
    first = sample(some, np.random.default_rng(start))
    second = sample(some, np.random.default_rng(other))
    shared = next(p.name for p in some if p.when is None)
    second[shared] = first[shared]
    one, two = (explored(some, donor, block(resample=0.5), seed) for donor in (first, second))
    assert one[shared] == two[shared]


# --- resample ------------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_the_resample_probability_is_that_of_a_fresh_draw(probability: float) -> None:
    kept = {0.08, 0.12}
    moved = [v["lr"] for v in many(LR, {"lr": 0.1}, block(resample=probability))]
    fresh = sum(not any(abs(v - k) < 1e-12 for k in kept) for v in moved) / len(moved)
    assert fresh == pytest.approx(probability, abs=0.02 if 0 < probability < 1 else 0)


def test_parameters_are_resampled_independently() -> None:
    both = space(a_float("a", 0, 1), a_float("b", 0, 1))
    moved = list(many(both, {"a": 0.5, "b": 0.5}, block(resample=0.5)))
    count = Counter(tuple(round(v[n], 12) not in (0.4, 0.6) for n in ("a", "b")) for v in moved)
    assert all(n / len(moved) == pytest.approx(0.25, abs=0.03) for n in count.values())
    assert len(count) == 4


def test_a_fresh_draw_is_uniform_on_the_parameters_scale() -> None:
    moved = [v["lr"] for v in many(LR, {"lr": 0.1}, block(resample=1.0))]
    decades = np.histogram(np.log10(moved), bins=[-4, -3, -2, -1, 0])[0]
    assert all(n / len(moved) == pytest.approx(0.25, abs=0.03) for n in decades)


# --- perturb: real numbers -----------------------------------------------------------------------


def test_each_factor_is_equally_likely_and_multiplies() -> None:
    count = Counter(round(v["lr"], 12) for v in many(LR, {"lr": 0.1}, block(0.5, 0.8, 1.2)))
    assert set(count) == {0.05, 0.08, 0.12}
    assert all(n / 4000 == pytest.approx(1 / 3, abs=0.03) for n in count.values())


def test_a_factor_that_leads_out_of_the_bounds_is_clipped() -> None:
    assert {v["lr"] for v in many(LR, {"lr": 0.9}, block(1.5), 20)} == {1.0}
    assert {v["lr"] for v in many(LR, {"lr": 1.1e-4}, block(0.5), 20)} == {1e-4}


def test_zero_cannot_be_multiplied_away_but_can_be_resampled() -> None:
    some = space(a_float("h", 0, 1))
    assert {v["h"] for v in many(some, {"h": 0.0}, block(), 100)} == {0.0}
    moved = [v["h"] for v in many(some, {"h": 0.0}, block(resample=0.25))]
    assert sum(v > 0 for v in moved) / len(moved) == pytest.approx(0.25, abs=0.02)


def test_a_whole_number_from_json_is_a_float_again() -> None:
    (value,) = explored(space(a_float("lr", 0, 10, mutable=False)), {"lr": 1}).values()
    assert type(value) is float


@pytest.mark.parametrize(
    ("value", "factor", "moved"),
    [
        (0.5, 1.2, 0.6),
        (0.2, 1.2, 0.3),  # 0.24 lies nearest to where it is.
        (0.2, 0.8, 0.1),
        (0.9, 1.2, 0.9),  # The highest point of the grid: 1.0 is the bound, and not on it.
        (0.0, 1.2, 0.1),
        (0.0, 0.8, 0.0),
    ],
)
def test_a_real_number_on_a_grid_moves_to_another_point(
    value: float, factor: float, moved: float
) -> None:
    domain = FloatDomain(min=0.0, max=0.97, step=0.1)
    assert perturbed(domain, value, factor) == pytest.approx(moved)


# --- perturb: whole numbers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "factor", "moved"),
    [
        (100, 1.2, 120),
        (100, 0.8, 80),
        (3, 1.2, 4),  # 3.6
        (2, 1.2, 3),  # 2.4 would stay.
        (2, 0.8, 1),
        (1, 1.2, 2),
        (1, 0.8, 0),
        (-2, 1.2, -3),  # 1.2 leads away from zero,
        (-2, 0.8, -1),  # 0.8 towards it.
        (0, 1.2, 1),
        (0, 0.8, -1),
        (200, 1.2, 200),
        (-50, 1.2, -50),
        (2, 1.0, 2),
    ],
)
def test_a_whole_number_never_stays_unless_at_the_bound(
    value: int, factor: float, moved: int
) -> None:
    result = perturbed(IntegerDomain(min=-50, max=200), value, factor)
    assert (result, type(result)) == (moved, int)


@pytest.mark.parametrize(
    ("value", "factor", "moved"), [(12, 1.2, 16), (12, 0.8, 8), (60, 1.2, 60), (4, 0.8, 4)]
)
def test_a_whole_number_with_a_step_moves_by_steps(value: int, factor: float, moved: int) -> None:
    assert perturbed(IntegerDomain(min=4, max=62, step=4), value, factor) == moved


@given(
    st.integers(-1000, 1000),
    st.integers(1, 1000),
    st.floats(0, 1),
    st.floats(0.01, 100).filter(lambda factor: factor != 1),
)
def test_a_whole_number_moves_in_the_factors_direction(
    low: int, width: int, where: float, factor: float
) -> None:
    domain = IntegerDomain(min=low, max=low + width)
    value = low + round(where * width)
    moved = perturbed(domain, value, factor)
    up = factor > 1 if value >= 0 else factor < 1
    at_bound = value == (domain.max if up else domain.min)
    assert moved == value if at_bound else (moved > value) == up and moved != value


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(-2e6, 2e6), st.floats(0.01, 100))
def test_a_number_from_outside_the_bounds_comes_back_into_them(
    low: float, width: float, value: float, factor: float
) -> None:
    domain = FloatDomain(min=low, max=low + width)
    assert domain.min <= perturbed(domain, value, factor) <= domain.max


# --- categories ----------------------------------------------------------------------------------


def test_an_unordered_category_is_always_a_fresh_draw() -> None:
    some = space(a_choice("optimizer", "adam", "sgd", "lion"))
    count = Counter(v["optimizer"] for v in many(some, {"optimizer": "adam"}))
    assert all(n / 4000 == pytest.approx(1 / 3, abs=0.03) for n in count.values())
    assert len(count) == 3


def test_an_ordered_category_moves_to_a_neighbour() -> None:
    some = space(a_choice("width", "16", "32", "64", "128", type="integer", ordered=True))
    middle = Counter(v["width"] for v in many(some, {"width": 32}))
    assert set(middle) == {16, 64}
    assert middle[16] / 4000 == pytest.approx(0.5, abs=0.03)
    assert {v["width"] for v in many(some, {"width": 16}, count=50)} == {32}
    assert {v["width"] for v in many(some, {"width": 128}, count=50)} == {64}


def test_an_ordered_category_can_be_resampled() -> None:
    some = space(a_choice("width", "16", "32", "64", "128", type="integer", ordered=True))
    far = sum(v["width"] == 128 for v in many(some, {"width": 16}, block(resample=0.4)))
    assert far / 4000 == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_single_category_stays(ordered: bool) -> None:
    some = space(a_choice("only", "1", type="integer", ordered=ordered))
    assert explored(some, {"only": 1}) == {"only": 1}


def test_a_category_that_the_space_has_no_more_is_drawn_afresh() -> None:
    some = space(a_choice("width", "16", "32", type="integer", ordered=True))
    assert {v["width"] for v in many(some, {"width": 99}, count=50)} == {16, 32}


# --- conditions ----------------------------------------------------------------------------------

CASH = space(
    a_float("momentum", 0.0, 0.9, when=when("optimizer", "sgd")),
    a_choice("optimizer", "adam", "sgd"),
    a_float("beta", 0.8, 0.999, mutable=False, when=when("optimizer", "adam")),
)


def test_a_flipped_parent_draws_what_it_activates_and_drops_the_rest() -> None:
    flipped = [v for v in many(CASH, {"optimizer": "adam", "beta": 0.9}) if "momentum" in v]
    assert len(flipped) / 4000 == pytest.approx(0.5, abs=0.03)
    assert {tuple(v) for v in flipped} == {("momentum", "optimizer")}
    assert np.mean([v["momentum"] for v in flipped]) == pytest.approx(0.45, abs=0.02)
    assert len({v["momentum"] for v in flipped}) == len(flipped)


def test_a_parent_that_stays_keeps_its_children() -> None:
    for values in many(CASH, {"optimizer": "adam", "beta": 0.9}, count=100):
        if values["optimizer"] == "adam":
            assert values == {"optimizer": "adam", "beta": 0.9}


def test_what_becomes_active_is_drawn_though_it_is_not_mutable() -> None:
    donor = {"optimizer": "sgd", "momentum": 0.5}
    betas = {v["beta"] for v in many(CASH, donor, count=100) if "beta" in v}
    assert len(betas) > 20
    assert all(0.8 <= beta <= 0.999 for beta in betas)


def test_a_parameter_that_the_donor_never_had_is_drawn() -> None:
    some = space(a_float("lr", 1e-4, 1.0, log=True), a_float("new", 0, 1, mutable=False))
    assert len({v["new"] for v in many(some, {"lr": 0.1}, count=50)}) == 50
