"""What PB2 learns from: the fold's intervals as the rows of a regression.

One row for each member and interval (Parker-Holder, Nguyen, Roberts, arXiv 2002.02518, section 4):

- inputs: the hyperparameters that it trained under, each in [0, 1] on its parameter's own scale;
  the score at the checkpoint that it started from (the donor's, after an exploit), so that 0 and 1
  are the 5 % and 95 % quantiles of all rows, clipped to [-0.5, 1.5]; the interval's number;
- target: the change of the score per step, as something to maximise (equation 2), less its median,
  over 0.39 of the distance of its 10 % and 90 % quantiles (1 for a normal distribution), clipped to
  [-4, 4]. So neither a collapse nor the unit of the score decides what the model can see.

An interval whose score before is not known has no row: a member's first, and one after a NaN. One
that *ends* in a NaN or an infinity counts as the worst change of all: what diverges is to be
avoided, not forgotten.

An ordered category is a coordinate like a whole number, unless another parameter's `when` names it;
a parameter that is not active stands in the middle (what turned it off is in the row as well).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from population_operator.algorithms.gaussian_process import Array, Inputs
from population_operator.api import CategoricalDomain, Goal, Parameter, Scale, Value
from population_operator.model.report import merit
from population_operator.model.space import (
    Hyperparameters,
    Space,
    categories,
    from_unit,
    typed,
)
from population_operator.model.state import Transition

INACTIVE = 0.5
CLIP = 4.0


@dataclass(frozen=True)
class Layout:
    """Which parameter is which column: D - 1 numeric ones, then the score; C categorical ones."""

    numeric: Space
    categorical: Space

    @classmethod
    def of(cls, space: Space) -> Layout:
        """The columns of a search space, in its own order."""
        parents = {p.when.parameter for p in space if p.when is not None}
        chosen = tuple(p for p in space if _is_categorical(p, parents))
        return cls(tuple(p for p in space if p not in chosen), chosen)

    def categories(self, values: Hyperparameters) -> list[int]:
        """Indices of the categories (C); -1 where the parameter is not active."""
        return [_place(p, values[p.name]) if p.name in values else -1 for p in self.categorical]

    def inputs(self, points: Iterable[Point], scores: ScoreScale) -> Inputs:
        """Points as the kernel takes them: n x D, n x C, n."""
        known = tuple(points)
        columns = [units(p, [k.hyperparameters.get(p.name) for k in known]) for p in self.numeric]
        columns.append(np.array([scores.unit(k.score) for k in known], dtype=float))
        chosen = [self.categories(k.hyperparameters) for k in known] if self.categorical else []
        return Inputs(
            np.stack(columns, axis=1),
            np.array(chosen, dtype=np.int64).reshape(len(known), len(self.categorical)),
            np.array([k.interval for k in known], dtype=float),
        )


@dataclass(frozen=True)
class Point:
    """Hyperparameters, the score that training starts from (as a merit), and the interval."""

    hyperparameters: Mapping[str, Value]
    score: float
    interval: int


@dataclass(frozen=True)
class ScoreScale:
    """Maps scores to coordinates: 0 and 1 are the 5 % and 95 % quantiles of what was seen."""

    low: float
    high: float

    @classmethod
    def of(cls, scores: Sequence[float]) -> ScoreScale:
        low, high = np.quantile(scores, (0.05, 0.95)).tolist() if len(scores) else (0.0, 0.0)
        return cls(low, high)

    def unit(self, score: float) -> float:
        """The coordinate of a score; the middle where none is known, or all were the same."""
        span = self.high - self.low
        if not math.isfinite(score) or not 0.0 < span < math.inf:
            return 0.5
        return min(max((score - self.low) / span, -0.5), 1.5)


@dataclass(frozen=True)
class TargetScale:
    """Maps changes per step to targets: y = (change - centre) / spread, clipped."""

    centre: float
    spread: float

    @classmethod
    def of(cls, changes: Array) -> TargetScale:
        """The scale of n changes; where most are the same, of their standard deviation."""
        largest = float(np.abs(changes).max(initial=0.0))
        if not largest:
            return cls(0.0, 1.0)
        scaled = changes / largest  # In this unit no square overflows.
        low, centre, high = np.quantile(scaled, (0.1, 0.5, 0.9)).tolist()
        spread = (high - low) / 2.563
        if spread <= 1e-15 * max(-low, high):
            spread = float(np.std(scaled))
        if spread <= 1e-15:
            spread = 1.0
        return cls(centre * largest, spread * largest)

    def targets(self, changes: Array) -> Array:
        """Standardised changes, within [-CLIP, CLIP] (n)."""
        return np.clip(changes / self.spread - self.centre / self.spread, -CLIP, CLIP)


@dataclass(frozen=True)
class Rows:
    """n rows, oldest interval first, with the changes per step (n) and what became of them (n)."""

    layout: Layout
    inputs: Inputs
    changes: Array
    scores: ScoreScale
    scale: TargetScale

    @classmethod
    def of(cls, space: Space, goal: Goal, transitions: Sequence[Transition], window: int) -> Rows:
        """The rows of the last `window` intervals, in an order that is theirs alone."""
        found = sorted(
            (row for row in map(_Row.of, transitions[-window:], [goal] * len(transitions)) if row),
            key=lambda row: row.rank,
        )
        layout = Layout.of(space)
        scores = ScoreScale.of([row.point.score for row in found])
        changes = _finite(np.array([row.change for row in found]))
        inputs = layout.inputs((row.point for row in found), scores)
        return cls(layout, inputs, changes, scores, TargetScale.of(changes))

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def targets(self) -> Array:
        """Standardised changes (n)."""
        return self.scale.targets(self.changes)


@dataclass(frozen=True)
class _Row:
    point: Point
    change: float
    rank: tuple[int, int, str]

    @classmethod
    def of(cls, transition: Transition, goal: Goal) -> _Row | None:
        before = transition.before
        if before is None or not math.isfinite(before) or transition.steps <= 0:
            return None
        start = merit(goal, before)
        change = (merit(goal, transition.after) - start) / transition.steps
        point = Point(transition.hyperparameters, start, transition.index)
        return cls(point, change, (transition.index, len(transition.member), transition.member))


def _finite(changes: Array) -> Array:
    """With the worst finite change in place of what diverged."""
    finite = np.isfinite(changes)
    return np.where(finite, changes, changes[finite].min() if finite.any() else 0.0)


def _is_categorical(parameter: Parameter, parents: set[str]) -> bool:
    domain = parameter.domain
    if not isinstance(domain, CategoricalDomain):
        return False
    return not domain.ordered or parameter.name in parents


def _place(parameter: Parameter, value: Value) -> int:
    known = categories(parameter.domain)  # type: ignore[arg-type]
    return known.index(value) if value in known else -1


def units(parameter: Parameter, values: Sequence[Value | None]) -> Array:
    """Coordinates in [0, 1] of numbers, or of ordered categories by their places (n).

    None, where the parameter is not active, stands in the middle. For numbers this is `to_unit`
    for a whole column at once.
    """
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        last = max(len(domain.values) - 1, 1)
        places = [None if v is None else _place(parameter, typed(parameter, v)) for v in values]
        return np.array([INACTIVE if place is None else place / last for place in places])
    numbers = np.array([math.nan if value is None else value for value in values], dtype=float)
    low, high = float(domain.min), float(domain.max)
    if domain.scale is Scale.LOG:
        low, high, numbers = math.log(low), math.log(high), np.log(numbers)
    if high <= low:
        return np.zeros(len(numbers))
    return np.where(np.isnan(numbers), INACTIVE, (numbers - low) / (high - low))


def unit(parameter: Parameter, value: Value) -> float:
    """The coordinate of one value."""
    return float(units(parameter, [value])[0])


def value_at(parameter: Parameter, coordinate: float) -> Value:
    """The value whose coordinate is nearest: inverse of `unit`, within bounds and on the grid."""
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        known = categories(domain)
        return known[round(min(max(coordinate, 0.0), 1.0) * (len(known) - 1))]
    return from_unit(domain, coordinate)
