"""Workers that train in larger steps than rungs are apart: the contract lets them."""

from __future__ import annotations

import pytest

from population_operator.model.decision import DecisionKind
from tests.builders import an_experiment
from tests.promotions import by_id
from tests.runs.conftest import Make


@pytest.mark.parametrize("name", ["successiveHalving", "hyperband", "asha"])
def test_a_trial_beyond_the_next_rung_still_climbs(make: Make, name: str) -> None:
    """Rungs of 10, 30 and 90 steps; the first one's trials stand at 35."""
    population = {"parallelism": 2, "seed": 7} | ({} if name == "hyperband" else {"size": 9})
    experiment = an_experiment().set("spec.algorithm", {name: {"eta": 3}}).steps(10, 90)
    run = make(experiment.set("spec.population", population), OVER=25)
    outcome = run.finish()
    assert outcome.code == 0, outcome.line
    promoted = [one for one in by_id(run.result()).values() if one["kind"] == DecisionKind.PROMOTE]
    ends = {int(one["reason"].rsplit(" ", 1)[1]) for one in promoted}
    assert ends >= {36, 90}, ends
