"""BOHB's model against hpbandster's, and what Hyperband makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.bohb import (
    Bohb,
    decoded,
    encoded,
    imputed,
    levels_of,
    model_of,
    split,
)
from population_operator.algorithms.density import Density, truncated
from population_operator.api.trials import Bohb as Block
from population_operator.model.decision import DecisionKind
from population_operator.model.key import Key
from population_operator.model.space import sample
from population_operator.model.state import RungResult
from tests.algorithms.bandits import a_bandit, a_trial, asked
from tests.algorithms.spaces import spaces
from tests.builders import a_choice, a_float, a_state, when

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "hpbandster_bohb.json").read_text()
)
SPACE = (a_float("x", 0, 1), a_float("y", 0, 1), a_choice("c", "a", "b", "d"))
EXPERIMENT = a_bandit("bohb").minimize().parameters(*SPACE).build()


def a_result(
    index: int, values: dict[str, Any], score: float, step: int = 9, beyond: int = 0
) -> Any:
    """Of a trial of the first bracket, whose rungs end at 1, 3, 9, ..."""
    member = a_trial(index, (step, 81), [score])
    decision = member.decision.model_copy(update={"hyperparameters": values})
    result = RungResult(0, (1, 3, 9, 27, 81).index(step), step + beyond, score)
    return type(member)(**{**vars(member), "decision": decision, "rungs": (result,)})


def the_oracles_state() -> Any:
    rows = enumerate(ORACLE["rows"])
    return a_state(
        EXPERIMENT, *[a_result(i, v, float("nan") if s is None else s) for i, (v, s) in rows]
    )


def test_the_densities_are_hpbandsters() -> None:
    model = model_of(EXPERIMENT, the_oracles_state(), Block(), Key.of(EXPERIMENT))
    assert model is not None and (model.budget, model.rows) == (9, 40)
    queries = np.array(ORACLE["queries"])
    for name in ("good", "bad"):
        density: Density = getattr(model, name)
        widths = ORACLE[f"bw_{name}"]
        assert len(density.points) == ORACLE[f"n_{name}"]
        # A category's bandwidth ends where its kernel is even; statsmodels' goes beyond that, and
        # it counts the categories that it has seen, where ours knows how many there are.
        assert density.bandwidths == pytest.approx([*widths[:2], min(widths[2], 2 / 3)])
        levels = (0, 0, len(set(density.points[:, 2])))
        same = Density(density.points, np.array(widths), levels)
        assert same(queries) == pytest.approx(ORACLE[name])


def test_a_rung_is_one_budget_however_far_its_trials_overshot() -> None:
    rng = np.random.default_rng(1)
    members = [
        a_result(i, sample(EXPERIMENT.spec.parameters, rng), float(rng.random()), 9, beyond=i)
        for i in range(8)
    ]
    model = model_of(EXPERIMENT, a_state(EXPERIMENT, *members), Block(), Key.of(EXPERIMENT))
    assert model is not None and (model.budget, model.rows) == (9, 8)


def test_the_largest_budget_with_enough_results_is_modelled() -> None:
    def modelled(*counts: tuple[int, int]) -> int | None:
        rng, members = np.random.default_rng(1), []
        for step, count in counts:
            for _ in range(count):
                values = sample(EXPERIMENT.spec.parameters, rng)
                members.append(a_result(len(members), values, float(rng.random()), step))
        model = model_of(EXPERIMENT, a_state(EXPERIMENT, *members), Block(), Key.of(EXPERIMENT))
        return model.budget if model else None

    assert modelled((1, 7)) is None, "good and bad need D + 1 results each"
    assert modelled((1, 8)) == 1
    assert modelled((1, 40), (9, 7)) == 1
    assert modelled((1, 40), (9, 8)) == 9


@pytest.mark.parametrize(("count", "good", "bad"), [(8, 4, 4), (20, 4, 16), (100, 15, 85)])
def test_good_and_bad_are_split_as_in_hpbandster(count: int, good: int, bad: int) -> None:
    parts = split(np.arange(3.0 * count).reshape(count, 3), Block())
    assert parts is not None and tuple(map(len, parts)) == (good, bad)


def test_a_trial_that_failed_for_good_is_a_bad_result_of_its_budget() -> None:
    good = {"x": 0.2, "y": 0.5, "c": "a"}
    members = [a_result(i, {**good, "x": 0.2 + i / 100}, i / 10) for i in range(8)]
    for index, (x, result) in enumerate([(0.91, ()), (0.92, members[0].rungs)], start=8):
        failed = a_trial(index, (9,), [], stopped=True)
        values = {"hyperparameters": {**good, "x": x}, "rung": 2, "until": 9}
        decision = failed.decision.model_copy(update=values)
        members.append(replace(failed, decision=decision, rungs=result))
    model = model_of(EXPERIMENT, a_state(EXPERIMENT, *members), Block(), Key.of(EXPERIMENT))
    assert model is not None and model.rows == 10, "the last one has a result: it did not fail"
    assert 0.91 in model.bad.points[:, 0] and 0.91 not in model.good.points[:, 0]


def test_a_budget_where_nearly_all_failed_has_no_model() -> None:
    rng, nan = np.random.default_rng(1), float("nan")

    def modelled(finite: int) -> int | None:
        members = []
        for index in range(24):
            values = sample(EXPERIMENT.spec.parameters, rng)
            score = nan if 8 <= index < 24 - finite else float(index)
            members.append(a_result(index, values, score, 3 if index < 8 else 9))
        state = a_state(EXPERIMENT, *members)
        model = model_of(EXPERIMENT, state, Block(), Key.of(EXPERIMENT))
        return model and model.budget

    assert [modelled(finite) for finite in (0, 3, 4)] == [3, 3, 9]


def test_fewer_points_than_a_density_needs_delay_no_model() -> None:
    parts = split(np.arange(24.0).reshape(8, 3), Block(min_points=2))
    assert parts is not None and tuple(map(len, parts)) == (4, 4)
    assert split(np.arange(30.0).reshape(10, 3), Block(min_points=11)) is None


@given(spaces(), st.integers(0, 99))
def test_encoding_and_back(space: Any, seed: int) -> None:
    values = sample(space, np.random.default_rng(seed))
    row = imputed(space, np.array([encoded(space, values)]), np.random.default_rng(seed))[0]
    found = decoded(space, row)
    assert list(found) == list(values)
    for name, value in values.items():
        same = pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value
        assert found[name] == same


@given(spaces(), st.integers(0, 99))
def test_candidates_lie_in_the_space(space: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = imputed(space, np.array([encoded(space, sample(space, rng)) for _ in range(40)]), rng)
    drawn = Density.of(rows, levels_of(space), 1e-3).draw(rng, 50, 3.0)
    for column, levels in enumerate(levels_of(space)):
        highest = levels - 1 if levels else 1.0
        assert ((drawn[:, column] >= 0) & (drawn[:, column] <= highest)).all()


def test_the_truncated_normal_is_one() -> None:
    stats = pytest.importorskip("scipy.stats")
    drawn = truncated(np.random.default_rng(0), np.full(20_000, 0.1), 0.2)
    expected = stats.truncnorm(-0.5, 4.5, loc=0.1, scale=0.2)
    assert stats.kstest(drawn, expected.cdf).pvalue > 0.001


def test_conditional_parameters_are_imputed_and_left_out_again() -> None:
    space = (*SPACE, a_float("m", 0, 1, when=when("c", "a")))
    experiment = a_bandit("bohb").minimize().parameters(*space).build()
    rng = np.random.default_rng(0)
    members = [
        a_result(i, v := sample(experiment.spec.parameters, rng), float(v["x"])) for i in range(30)
    ]
    model = model_of(experiment, a_state(experiment, *members), Block(), Key.of(experiment))
    assert model is not None
    for _ in range(30):
        values, _ = model.propose(rng)
        assert ("m" in values) == (values["c"] == "a")


def test_each_part_is_imputed_by_itself() -> None:
    """As hpbandster does: what a bad configuration has says nothing about the good ones."""
    space = (*SPACE, a_float("m", 0, 1, when=when("c", "a")))
    experiment = a_bandit("bohb").minimize().parameters(*space).build()
    good = [{"x": 0.1 + i / 100, "y": 0.5, "c": "b"} for i in range(10)]
    good[0] |= {"c": "a", "m": 0.25}
    bad = [{"x": 0.9, "y": i / 60, "c": "a", "m": 0.75} for i in range(50)]
    members = [a_result(i, v, float(i)) for i, v in enumerate([*good[:9], *bad])]
    model = model_of(experiment, a_state(experiment, *members), Block(), Key.of(experiment))
    assert model is not None and len(model.good.points) == 8
    assert set(model.good.points[:, 3].tolist()) == {0.25}


def test_a_third_is_drawn_and_the_rest_is_better() -> None:
    state = the_oracles_state()
    members = list(state.members.values())
    told, seen = [], 0
    for count in range(40, 80):
        more = [a_trial(i, (1,), []) for i in range(40, count)]
        (decision,) = asked(EXPERIMENT, [*members, *more], free=1)
        assert decision.kind is DecisionKind.START
        if "density" in decision.reason:
            told.append(decision.hyperparameters)
        seen += 1
    assert 0.4 < len(told) / seen < 0.9
    away = [abs(v["x"] - 0.3) + abs(v["y"] - 0.7) for v in told]
    assert np.mean(away) < 0.45, "a draw is 0.6 away on average"


def test_the_brackets_are_hpbandsters() -> None:
    assert Bohb().demand(EXPERIMENT, a_state(EXPERIMENT)) == 81 + 27 + 9 + 6 + 5
