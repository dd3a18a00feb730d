"""What is shown of an experiment does not grow with it."""

from __future__ import annotations

import json

import pytest

from population_operator.adapters.kubernetes.status import experiment_status
from population_operator.core.conditions import Problem
from population_operator.model.entry import Phase
from tests.builders import a_member, a_report, a_state, an_experiment


def status_bytes(size: int, reports: int, failures: int = 0) -> int:
    """Of a population in which everybody has reported so often, or failed."""
    experiment = an_experiment().size(size).steps(100, 100_000).build()
    members = []
    for index in range(size):
        member = a_member(index).with_(failures=failures, last_failure="Exited: " + "no " * 40)
        for number in range(reports):
            member = member.reported(100_000 - 100 * (reports - number), 0.5)
        members.append(member)
    best = a_report(0, 99_900, 0.5)
    state = a_state(experiment, *members, phase=Phase.RUNNING, reports=reports, best=best)
    problems = [Problem("Unschedulable", f"w{n}: no GPU is free, " * 5) for n in range(size)]
    return len(json.dumps(experiment_status(state, problems, {}, 1, 0.0)))


@pytest.mark.parametrize("failures", [0, 2])
def test_its_size_depends_neither_on_members_nor_on_steps(failures: int) -> None:
    """Some digits aside; failures of many are told up to a bound."""
    small, large = status_bytes(8, 2, failures), status_bytes(800, 2, failures)
    assert large - small < (20 if not failures else 4100)
    assert abs(status_bytes(8, 200, failures) - small) < 20
    assert large < 12_000


def test_the_best_shows_what_the_objective_wants_to_have_shown() -> None:
    """And only that; the API server takes no NaN, so it is a word."""
    experiment = an_experiment().set("spec.objective.report", ["test", "loss"]).build()
    best = a_report(0, 100, 0.5).model_copy(
        update={"metrics": {"test": 0.97, "loss": float("nan"), "other": 1.0}}
    )
    state = a_state(experiment, a_member(0), phase=Phase.RUNNING, reports=1, best=best)
    shown = experiment_status(state, [], {}, 1, 0.0)["best"]["metrics"]
    assert shown == {"test": 0.97, "loss": "nan"}
