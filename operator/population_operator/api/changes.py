"""What may change while an experiment runs: the rules of `transitions.py`, for the embedded
runtime, which has no API server to hold them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from population_operator.api.experiment import PopulationExperiment
from population_operator.api.problems import Problem
from population_operator.api.transitions import FIXED, FIXED_WITH


def refused_changes(
    before: PopulationExperiment, after: PopulationExperiment
) -> tuple[Problem, ...]:
    """The changes from `before` to `after` that a run cannot take; none where it can go on."""
    old, new = (it.spec.model_dump(mode="json", by_alias=True) for it in (before, after))
    problems = [
        Problem(
            f"spec.{where}",
            f"is {_said(is_)} now and was {_said(was)}: it is fixed once a run has "
            "started; change it back, or start a new run in another folder (`--output DIR`)",
        )
        for path in (*FIXED, *_fixed_with(before))
        for where, was, is_ in _differences(path, _at(old, path), _at(new, path))
    ]
    problems += [
        Problem(f"spec.{path}", f"was {_at(old, path)}: it may only grow, got {_at(new, path)}")
        for path in FIXED_WITH
        if path not in _fixed_with(before) and not _grown(_at(old, path), _at(new, path))
    ]
    if before.metadata.name != after.metadata.name:
        text = f"the folder holds a run of {before.metadata.name!r}: use another folder"
        problems.append(Problem("metadata.name", text))
    return tuple(problems)


def _fixed_with(before: PopulationExperiment) -> tuple[str, ...]:
    """What else is fixed, with the algorithm that the experiment has."""
    algorithm = before.spec.algorithm
    return tuple(
        path
        for path, names in FIXED_WITH.items()
        if any(getattr(algorithm, name) is not None for name in names)
    )


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each innermost field that changed: its path, what it was and what it is."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            yield from _differences(f"{path}.{name}", old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (was, is_) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{path}[{index}]", was, is_)
    elif old != new:
        yield path, old, new


def _said(value: Any) -> str:
    """As somebody would write it in the manifest; fields that are not there are left out."""
    if value is None:
        return "absent"
    return json.dumps(_given(value), ensure_ascii=False)


def _given(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _given(one) for name, one in value.items() if one is not None}
    return [_given(one) for one in value] if isinstance(value, list) else value


def _grown(old: int | None, new: int | None) -> bool:
    return old is new if old is None or new is None else new >= old


def _at(spec: Any, path: str) -> Any:
    for part in path.split("."):
        spec = spec.get(part) if isinstance(spec, dict) else None
    return spec
