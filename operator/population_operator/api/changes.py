"""What may change while an experiment runs: the rules of `transitions.py`, for the embedded
runtime, which has no API server to hold them."""

from __future__ import annotations

from typing import Any

from population_operator.api.experiment import PopulationExperiment
from population_operator.api.problems import Problem
from population_operator.api.transitions import FIXED

GROWING = ("population.size", "schedule.maxSteps")


def refused_changes(
    before: PopulationExperiment, after: PopulationExperiment
) -> tuple[Problem, ...]:
    """The changes from `before` to `after` that a run cannot take; none where it can go on."""
    old, new = (it.spec.model_dump(mode="json", by_alias=True) for it in (before, after))
    problems = [
        Problem(
            f"spec.{path}",
            f"is {_at(new, path)!r} now and was {_at(old, path)!r}: it is fixed once a run has "
            "started; change it back, or start a new run in another folder",
        )
        for path in FIXED
        if _at(old, path) != _at(new, path)
    ]
    problems += [
        Problem(f"spec.{path}", f"was {_at(old, path)}: it may only grow, got {_at(new, path)}")
        for path in GROWING
        if not _grown(_at(old, path), _at(new, path))
    ]
    if before.metadata.name != after.metadata.name:
        text = f"the folder holds a run of {before.metadata.name!r}: use another folder"
        problems.append(Problem("metadata.name", text))
    return tuple(problems)


def _grown(old: int | None, new: int | None) -> bool:
    return old is new if old is None or new is None else new >= old


def _at(spec: Any, path: str) -> Any:
    for part in path.split("."):
        spec = spec.get(part) if isinstance(spec, dict) else None
    return spec
