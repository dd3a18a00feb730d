"""Random search: the start design, and then nothing changes."""

from __future__ import annotations

import math

from population_operator.algorithms.random_search import RandomSearch
from population_operator.algorithms.start import start
from population_operator.model.decision import DecisionKind
from population_operator.model.key import Key
from population_operator.model.state import State
from tests.builders import a_member, a_state, an_experiment

KEY = Key("seed:7")
EXPERIMENT = an_experiment().random_search().size(4).build()


def test_it_begins_with_the_start_design() -> None:
    decided = RandomSearch().decide(EXPERIMENT, State(), (), 4, KEY)
    assert decided == start(EXPERIMENT, State(), 4, KEY)


def test_everybody_continues_whatever_the_scores_and_then_the_new_ones_start() -> None:
    members = (
        a_member(0).having(lr=0.2).reported(100, math.nan),
        a_member(1).having(lr=0.3).reported(100, 0.9),
        a_member(10).having(lr=0.4).reported(200, -math.inf),
    )
    state = a_state(EXPERIMENT, *members)
    decided = RandomSearch().decide(EXPERIMENT, state, ("m10", "m1", "m0"), 1, KEY)
    assert [d.member for d in decided] == ["m0", "m1", "m10", "m2"]
    assert [d.kind for d in decided] == [DecisionKind.CONTINUE] * 3 + [DecisionKind.START]
    assert [d.hyperparameters for d in decided[:3]] == [{"lr": 0.2}, {"lr": 0.3}, {"lr": 0.4}]
    assert [d.at_step for d in decided[:3]] == [100, 100, 200]
    assert [d.count for d in decided[:3]] == [2, 2, 2]
    assert [str(d.source) for d in decided[:3]] == ["m0/1-100", "m1/1-100", "m10/1-200"]


def test_a_straggler_continues_from_where_it_last_stood() -> None:
    state = a_state(EXPERIMENT, a_member(0).straggled())
    (decided,) = RandomSearch().decide(EXPERIMENT, state, ("m0",), 0, KEY)
    assert decided.kind is DecisionKind.CONTINUE
    assert decided.source is None
