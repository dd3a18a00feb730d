"""What a bandit says that it is going to do is what it does."""

from __future__ import annotations

import pytest

from population_operator.algorithms.base import Bandit
from population_operator.algorithms.registry import algorithm_of
from population_operator.app.simulate import simulate
from tests.algorithms.bandits import a_bandit
from tests.builders import ExperimentBuilder, a_float
from tests.simulation.test_bandits import Learning

LR, PART = a_float("lr", 1e-4, 1.0, log=True), a_float("part", 0.1, 1.0)


@pytest.mark.parametrize(
    "built",
    [
        a_bandit("successiveHalving", 9),
        a_bandit("successiveHalving", 5),
        a_bandit("hyperband"),
        a_bandit("hyperband", 7),
        a_bandit("hyperband", 25),
        a_bandit("bohb"),
        a_bandit("asha", 12, eta=3),
        a_bandit("fabolas", 6, initial_points=4),
        a_bandit("fabolas", 6, initial_points=4, fraction="part").parameters(LR, PART),
        a_bandit("grid", points=3),
        a_bandit("bayesian", 4),
        a_bandit("tpe", 4),
    ],
    ids=lambda built: built.build().spec.algorithm.name,
)
def test_it_is_what_happens(built: ExperimentBuilder) -> None:
    experiment = built.steps(1, 9).build()
    bandit = algorithm_of(experiment)
    assert isinstance(bandit, Bandit)
    plan = bandit.plan(experiment)
    state, _ = simulate(experiment, Learning())
    assert len(state.members) == plan.trials
    assert {result.step for m in state.population for result in m.rungs} <= set(plan.rungs)
    assert list(plan.rungs) == sorted(set(plan.rungs))
    assert not plan.rungs or plan.rungs[-1] == 9
    assert plan.rungs or all(member.step == 9 for member in state.population)


def test_where_only_the_time_is_limited_nobody_knows_how_many() -> None:
    experiment = a_bandit("asha").set("spec.schedule.maxDuration", "1h").build()
    bandit = algorithm_of(experiment)
    assert isinstance(bandit, Bandit)
    assert bandit.plan(experiment).trials is None
