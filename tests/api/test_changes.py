"""What the embedded runtime refuses to change names the field, not all that surrounds it."""

from __future__ import annotations

from typing import Any

import pytest

from population_operator.api.changes import refused_changes
from tests.algorithms.bandits import a_bandit
from tests.builders import ExperimentBuilder, an_experiment


def lr(**domain: Any) -> dict[str, Any]:
    return {"name": "lr", "float": {"min": 0.001, "max": 0.5, "scale": "log"} | domain}


def test_a_bound_that_moved_is_named_alone() -> None:
    before, after = (an_experiment().parameters(one).build() for one in (lr(), lr(max=0.9)))
    (problem,) = refused_changes(before, after)
    assert problem.path == "spec.parameters[0].float.max"
    assert "is 0.9 now and was 0.5" in problem.message


def test_a_domain_of_another_kind_shows_only_what_somebody_wrote() -> None:
    integer = {"name": "lr", "integer": {"min": 1, "max": 9}}
    before, after = (an_experiment().parameters(one).build() for one in (lr(), integer))
    removed, added = refused_changes(before, after)
    assert (removed.path, added.path) == ("spec.parameters[0].float", "spec.parameters[0].integer")
    assert "is absent now" in removed.message
    assert "step" not in removed.message


@pytest.mark.parametrize("block", ["asha", "hyperband", "tpe"])
def test_rungs_are_computed_from_the_steps(block: str) -> None:
    before, after = (bandit(block, steps).build() for steps in (81, 243))
    (problem,) = refused_changes(before, after)
    assert problem.path == "spec.schedule.maxSteps"
    assert "is 243 now and was 81: it is fixed" in problem.message


@pytest.mark.parametrize(("block", "refused"), [("hyperband", 1), ("bohb", 1), ("asha", 0)])
def test_brackets_are_computed_from_the_size(block: str, refused: int) -> None:
    before, after = (bandit(block, 81, size).build() for size in (40, 50))
    assert len(refused_changes(before, after)) == refused
    (problem,) = refused_changes(after, before)
    assert problem.path == "spec.population.size"


def bandit(block: str, steps: int, size: int = 40) -> ExperimentBuilder:
    return a_bandit(block, size).steps(1, steps)


def test_an_unchanged_experiment_may_go_on() -> None:
    assert refused_changes(an_experiment().build(), an_experiment().build()) == ()
