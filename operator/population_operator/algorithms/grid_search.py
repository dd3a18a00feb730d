"""Grid search: every combination of a few values of each parameter, each trained to the end.

Numeric parameters have `points` values, evenly spaced on their own scale, both bounds with them (on
the grid of `step`, and whole numbers, without repetition); categorical ones all theirs. The last
parameter changes first. A parameter that is not active in a combination does not multiply it.
`population.size` takes the first so many.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from population_operator.algorithms.base import Plan
from population_operator.algorithms.full_trials import left, train_fully
from population_operator.api import CategoricalDomain, Parameter, PopulationExperiment, Value
from population_operator.api.trials import Grid
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.space import Space, categories, from_unit, is_active
from population_operator.model.state import State


class GridSearch:
    """The manifest's `grid` block. No score is looked at, so NaN and ties mean nothing here."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`. Trial i is combination i."""
        cells = cells_of(experiment)

        def propose(index: int, made: object) -> tuple[dict[str, Value], str]:
            return dict(cells[index]), f"combination {index + 1} of {len(cells)}"

        return train_fully(experiment, state, ready, free, len(cells), propose)

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`."""
        return left(experiment, state, len(cells_of(experiment)))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return Plan(len(cells_of(experiment)), ())


def cells_of(experiment: PopulationExperiment) -> tuple[dict[str, Value], ...]:
    """All combinations that are tried, in order."""
    block = experiment.spec.algorithm.grid or Grid()
    return _cells(experiment.spec.parameters, block.points, experiment.spec.population.size)


def points_of(parameter: Parameter, points: int) -> tuple[Value, ...]:
    """The values of a parameter.

    >>> from population_operator.api import Parameter
    >>> lr = Parameter.model_validate(
    ...     {"name": "lr", "float": {"min": 0.001, "max": 1, "scale": "log"}})
    >>> [round(float(value), 4) for value in points_of(lr, 4)]
    [0.001, 0.01, 0.1, 1.0]
    """
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return categories(domain)
    return tuple(dict.fromkeys(from_unit(domain, i / (points - 1)) for i in range(points)))


@lru_cache(maxsize=8)
def _cells(space: Space, points: int, limit: int | None) -> tuple[dict[str, Value], ...]:
    # No more than are tried: all of them may be more than memory holds.
    return tuple(islice(_combinations(_parents_first(space), space, points, {}), limit))


def _parents_first(space: Space) -> Space:
    return tuple(sorted(space, key=lambda parameter: parameter.when is not None))


def _combinations(
    rest: Space, space: Space, points: int, chosen: dict[str, Value]
) -> Iterator[dict[str, Value]]:
    if not rest:
        yield {p.name: chosen[p.name] for p in space if p.name in chosen}
        return
    parameter, *others = rest
    if not is_active(parameter, space, chosen):
        yield from _combinations(tuple(others), space, points, chosen)
        return
    for value in points_of(parameter, points):
        yield from _combinations(tuple(others), space, points, {**chosen, parameter.name: value})
