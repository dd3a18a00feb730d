"""Rules on how many trials an algorithm starts, and on what it can search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from population_operator.api.algorithm import ALGORITHMS
from population_operator.api.base import Cel
from population_operator.api.parameters import CategoricalDomain, Parameter
from population_operator.api.problems import Problem
from population_operator.api.trials import BRACKETS, TRIALS

MAX_TRIALS = 5000
"""All of them stay in the state: what the algorithms learn from."""

FRACTION = "a float with a min above 0, max 1, no step and no `when`"
"""What carries the part of the data that a trial trains on."""


_NOTHING_TO_SEARCH = "must have one more beside algorithm.fabolas.fraction, which is not searched"


def _has(*fields: str) -> str:
    return "(" + " || ".join(f"has(self.algorithm.{ALGORITHMS[field]})" for field in fields) + ")"


_FREE = tuple(name for name in TRIALS if name not in (*BRACKETS, "grid"))
TRIALS_CEL = (
    Cel(
        f"has(self.population.size) || {_has(*BRACKETS, 'grid')} || "
        f"({_has(*_FREE)} && !has(self.algorithm.successiveHalving) && "
        "has(self.schedule.maxDuration))",
        "is required: how many members there are, or how many trials are started",
        "population.size",
    ),
    Cel(
        f"has(self.population.parallelism) || !{_has(*TRIALS)}",
        "is required: trials take turns on so many workers",
        "population.parallelism",
    ),
    Cel(
        f"!has(self.population.baselines) || self.population.baselines == 0 || !{_has(*TRIALS)}",
        "must be 0: trials are never changed, so each of them is a baseline",
        "population.baselines",
    ),
    Cel(
        "!has(self.initial) || self.initial.size() == 0 || !has(self.algorithm.grid)",
        "must be empty: a grid says itself what is tried",
        "initial",
    ),
    Cel(
        f"!{_has(*BRACKETS)} || self.schedule.maxSteps / self.schedule.interval <= {MAX_TRIALS}",
        f"maxSteps / interval must be at most {MAX_TRIALS}, as the first bracket has about as many "
        "trials: raise it",
        "schedule.interval",
    ),
    Cel(
        "!has(self.algorithm.fabolas) || !has(self.algorithm.fabolas.fraction) || "
        "self.parameters.exists(p, p.name == self.algorithm.fabolas.fraction && has(p.float) && "
        "!has(p.when) && p.float.min > 0.0 && p.float.max == 1.0 && !has(p.float.step))",
        f"must name a parameter: {FRACTION}",
        "algorithm.fabolas.fraction",
    ),
    Cel(
        "!has(self.algorithm.fabolas) || !has(self.algorithm.fabolas.fraction) || "
        "self.parameters.size() > 1",
        _NOTHING_TO_SEARCH,
        "parameters",
    ),
)
"""How many combinations a grid has is beyond CEL."""


def trials_problems(spec: Any) -> Iterator[Problem]:
    """What `TRIALS_CEL` says, and how large a grid is. `spec` is an `ExperimentSpec`."""
    algorithm, population, schedule = spec.algorithm, spec.population, spec.schedule
    name = next((n for n in ALGORITHMS if getattr(algorithm, n) is not None), "")
    endless = name in _FREE and name != "successive_halving" and schedule.max_duration is not None
    if population.size is None and name not in (*BRACKETS, "grid") and not endless:
        yield Problem("population.size", f"is required, {_wanted(name)}")
    if name not in TRIALS:
        return
    if population.parallelism is None:
        message = "is required, for example `parallelism: 4`: trials take turns on so many workers"
        yield Problem("population.parallelism", message)
    if population.baselines:
        message = f"must be 0, got {population.baselines}: trials are never changed"
        yield Problem("population.baselines", f"{message}, so each of them is a baseline")
    if name == "grid":
        yield from _grid(spec)
    if name == "fabolas" and algorithm.fabolas.fraction is not None:
        yield from _fraction(spec, algorithm.fabolas.fraction)
    if name in BRACKETS and schedule.max_steps // schedule.interval > MAX_TRIALS:
        count = schedule.max_steps // schedule.interval
        message = f"maxSteps / interval must be at most {MAX_TRIALS}, got {count}: raise it"
        yield Problem("schedule.interval", f"{message}, as the first bracket has as many trials")


def _wanted(name: str) -> str:
    if name not in TRIALS:
        return "for example `size: 8`"
    return "for example `size: 100`: how many trials are started" + (
        "" if name == "successive_halving" else "; or give schedule.maxDuration"
    )


def _fraction(spec: Any, name: str) -> Iterator[Problem]:
    named = next((p for p in spec.parameters if p.name == name), None)
    domain = named.float_ if named is not None and named.when is None else None
    if domain is None or domain.min <= 0 or domain.max != 1 or domain.step:
        message = f"must name a parameter: {FRACTION}, got {name}"
        yield Problem("algorithm.fabolas.fraction", message)
    elif len(spec.parameters) == 1:
        yield Problem("parameters", _NOTHING_TO_SEARCH)
    for index, given in enumerate(spec.initial):
        if name in given:
            message = "must not be given: fabolas chooses the part of the data by itself"
            yield Problem(f"initial[{index}].{name}", message)


def _grid(spec: Any) -> Iterator[Problem]:
    if spec.initial:
        yield Problem("initial", "must be empty: a grid says itself what is tried")
    points = spec.algorithm.grid.points
    count = grid_size(spec.parameters, points)
    if count > MAX_TRIALS and spec.population.size is None:
        message = f"gives {count} combinations, at most {MAX_TRIALS} are possible"
        yield Problem("algorithm.grid.points", f"{message}: lower it, or search with `tpe`")


def grid_size(parameters: tuple[Parameter, ...], points: int) -> int:
    """How many combinations a grid has; a parameter with a `when` counts where it is active."""
    total = 1
    for parent in (p for p in parameters if p.when is None):
        domain, below = parent.domain, [p for p in parameters if _under(p, parent)]
        if not isinstance(domain, CategoricalDomain):
            total *= grid_points(parent, points)
            continue
        sizes = 0
        for value in domain.values:
            size = 1
            for child in below:
                if child.when is not None and value in child.when.in_:
                    size *= grid_points(child, points)
            sizes += size
        total *= sizes
    return total


def _under(parameter: Parameter, parent: Parameter) -> bool:
    return parameter.when is not None and parameter.when.parameter == parent.name


def grid_points(parameter: Parameter, points: int) -> int:
    """How many values of a parameter a grid has, at most."""
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return len(domain.values)
    step = domain.step or (1 if parameter.integer is not None else 0)
    if not step:
        return points
    return min(points, int((domain.max - domain.min) / step + 1e-9) + 1)
