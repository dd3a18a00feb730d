"""What the embedded runtime refuses to change names the field, not all that surrounds it."""

from __future__ import annotations

from typing import Any

from population_operator.api.changes import refused_changes
from tests.builders import an_experiment


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


def test_an_unchanged_experiment_may_go_on() -> None:
    assert refused_changes(an_experiment().build(), an_experiment().build()) == ()
