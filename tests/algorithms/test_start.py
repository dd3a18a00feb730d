"""The start design: known good configurations first, draws for the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.start import start
from population_operator.model.decision import DecisionKind
from population_operator.model.key import Key
from population_operator.model.space import Space, is_active
from population_operator.model.state import State
from tests.algorithms.spaces import belongs, spaces
from tests.builders import a_choice, a_float, a_member, a_state, an_experiment, an_integer, when

KEY = Key("seed:7")


def test_members_start_by_index_from_nothing() -> None:
    decisions = start(an_experiment().size(3).build(), State(), 3, KEY)
    assert [d.member for d in decisions] == ["m0", "m1", "m2"]
    for decision in decisions:
        assert decision.kind is DecisionKind.START
        assert (decision.count, decision.source, decision.at_step) == (1, None, 0)
        assert decision.reason == "starts from a random draw"


def test_initial_entries_come_first_in_order_and_what_they_lack_is_drawn() -> None:
    experiment = (
        an_experiment()
        .size(3)
        .parameters(a_float("lr", 1e-4, 1.0, log=True), an_integer("batch", 16, 512))
        .initial({"lr": 0.01, "batch": 64}, {"lr": 0.5})
        .build()
    )
    first, second, third = start(experiment, State(), 3, KEY)
    drawn = [d.hyperparameters for d in start(an_experiment().size(3).build(), State(), 3, KEY)]
    assert first.hyperparameters == {"lr": 0.01, "batch": 64}
    assert first.reason == "starts from initial[0]"
    assert second.hyperparameters["lr"] == 0.5
    assert 16 <= second.hyperparameters["batch"] <= 512
    assert third.hyperparameters["lr"] == drawn[2]["lr"]


def test_the_batch_is_drawn_alike_whether_the_rate_is_given_or_not() -> None:
    parameters = (a_float("lr", 1e-4, 1.0, log=True), an_integer("batch", 16, 512))
    free = an_experiment().size(2).parameters(*parameters)
    given_rate = free.initial({"lr": 0.01})
    drawn, *_ = start(free.build(), State(), 2, KEY)
    partly, *_ = start(given_rate.build(), State(), 2, KEY)
    assert partly.hyperparameters["batch"] == drawn.hyperparameters["batch"]


def test_baselines_take_the_first_initial_entries() -> None:
    experiment = an_experiment().size(3).baselines(1).initial({"lr": 0.01}, {"lr": 0.1}).build()
    reasons = [d.reason for d in start(experiment, State(), 3, KEY)]
    assert reasons == [
        "a baseline starts from initial[0]",
        "starts from initial[1]",
        "starts from a random draw",
    ]


def test_an_initial_choice_brings_only_its_own_conditional_parameters() -> None:
    experiment = (
        an_experiment()
        .size(2)
        .parameters(
            a_float("momentum", 0, 0.99, when=when("optimizer", "sgd")),
            a_choice("optimizer", "adam", "sgd"),
        )
        .initial({"optimizer": "adam"}, {"optimizer": "sgd"})
        .build()
    )
    adam, sgd = start(experiment, State(), 2, KEY)
    assert adam.hyperparameters == {"optimizer": "adam"}
    assert sorted(sgd.hyperparameters) == ["momentum", "optimizer"]


@pytest.mark.parametrize("free", [0, 1, 5, 8, 100])
def test_never_more_than_free_nor_than_the_size(free: int) -> None:
    assert len(start(an_experiment().size(8).build(), State(), free, KEY)) == min(free, 8)


def test_new_members_take_the_lowest_unused_indices() -> None:
    experiment = an_experiment().size(4).build()
    state = a_state(experiment, a_member(1), a_member(3))
    assert [d.member for d in start(experiment, state, 9, KEY)] == ["m0", "m2"]
    assert [d.member for d in start(experiment, state, 1, KEY)] == ["m0"]


@given(st.integers(2, 12), st.integers(2, 12))
def test_a_population_that_grows_later_is_the_one_that_started_larger(
    before: int, after: int
) -> None:
    small, large = an_experiment().size(before).build(), an_experiment().size(after).build()
    state = a_state(large, *(a_member(i) for i in range(before)))
    at_once = start(large, State(), after, KEY)
    assert start(small, State(), before, KEY)[:after] == at_once[:before]
    assert start(large, state, after, KEY) == at_once[before:]


def test_members_and_seeds_draw_apart() -> None:
    experiment = an_experiment().size(50).build()
    rates = [d.hyperparameters["lr"] for d in start(experiment, State(), 50, KEY)]
    others = [d.hyperparameters["lr"] for d in start(experiment, State(), 50, Key("seed:8"))]
    assert len({*rates, *others}) == 100


@given(spaces(), st.integers(0, 2**32))
def test_every_start_lies_in_the_space_with_exactly_the_active_parameters(
    space: Space, seed: int
) -> None:
    experiment = an_experiment().build()
    spec = experiment.spec.model_copy(update={"parameters": space})
    experiment = experiment.model_copy(update={"spec": spec})
    for decision in start(experiment, State(), 3, Key(f"seed:{seed}")):
        values = decision.hyperparameters
        assert list(values) == [p.name for p in space if is_active(p, space, values)]
        assert all(belongs(p, values[p.name]) for p in space if p.name in values)
