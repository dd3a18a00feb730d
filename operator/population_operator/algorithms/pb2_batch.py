"""The values that PB2 gives to the exploited members of one decision, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from population_operator.algorithms import exp3m, pb2_acquisition
from population_operator.algorithms.cholesky import BLOCK
from population_operator.algorithms.gaussian_process import Array, Inputs, Posterior
from population_operator.algorithms.gaussian_process_fit import Prior, fit
from population_operator.algorithms.pb2_rows import Point, Rows, unit, value_at
from population_operator.api import Parameter, Value
from population_operator.api.algorithm import Pb2, Pb2Categories
from population_operator.model.space import Hyperparameters, Space, categories, sample

NEEDED = 3
"""Rows below which nothing is modelled."""

FITTED = 120
"""The newest rows, to which the kernel's hyperparameters are fitted: O(n^3) for each step of it."""

LEVEL = 1.0
"""The standard deviation of the process's mean, in units of the targets.

Targets are less their median, and most rows stand where somebody chose to be: what is far from all
of them is usually worse than their median. The mean that the model finds gives a crowd of rows one
voice, and keeps it from going where nobody was for no better reason than that.
"""


@dataclass(frozen=True)
class Choice:
    """Values for a member, and what the model expects of them: mean and standard deviation of the
    change of merit per step (without noise), none where nothing was modelled; n rows."""

    values: dict[str, Value]
    expected: tuple[float, float] | None = None
    rows: int = 0


@dataclass
class Batch:
    """One decision: the models are fitted at most once, `pending` grows with each choice.

    `blocks` are the models with so many of their pending points, whole blocks of them.
    """

    space: Space
    block: Pb2
    rows: Rows
    pending: list[Point]
    models: dict[tuple[int, ...], Posterior | None] = field(default_factory=dict)
    blocks: dict[tuple[int, ...], tuple[Posterior, int]] = field(default_factory=dict)

    def choose(
        self,
        donor: Hyperparameters,
        score: float,
        interval: int,
        chosen: Hyperparameters,
        rng: np.random.Generator,
    ) -> Choice:
        """Values for a copy of the donor in its next interval.

        Args:
          donor: the donor's values.
          score: its merit at the copied checkpoint.
          interval: the number of the interval that comes.
          chosen: categories that are drawn already.
          rng: the member's own draws.
        """
        fixed = {p.name: donor[p.name] for p in self.space if not p.mutable and p.name in donor}
        given = {**donor, **chosen, **fixed}
        start = sample(self.space, rng, given)
        point = Point(start, score, interval)
        model = self._model(point)
        if model is None:
            choice = Choice(sample(self.space, rng, {**chosen, **fixed}), rows=len(self.rows))
        else:
            choice = self._best(model, point, rng)
        self.pending.append(replace(point, hyperparameters=choice.values))
        return choice

    def categories(
        self, copies: int, plays: int, rounds: int, rng: np.random.Generator
    ) -> tuple[dict[str, Value], ...]:
        """Mutable categories for each of so many copies.

        Args:
          copies: members that are answered.
          plays: the population's size, B of EXP3.M.
          rounds: intervals of the whole experiment, T.
          rng: the batch's draws.
        """
        drawn: list[dict[str, Value]] = [{} for _ in range(copies)]
        for column, parameter in enumerate(self.rows.layout.categorical):
            if not parameter.mutable:
                continue
            arms = self._arms(column, parameter, copies, plays, rounds, rng)
            known = categories(parameter.domain)  # type: ignore[arg-type]
            for values, arm in zip(drawn, arms, strict=True):
                values[parameter.name] = known[arm]
        return tuple(drawn)

    def _arms(
        self,
        column: int,
        parameter: Parameter,
        copies: int,
        plays: int,
        rounds: int,
        rng: np.random.Generator,
    ) -> list[int]:
        count = len(parameter.categorical.values)  # type: ignore[union-attr]
        if self.block.categories is Pb2Categories.RAND:
            return [int(arm) for arm in rng.integers(count, size=copies)]
        worth = exp3m.weights(self._played(column), count, rounds)
        return exp3m.draw(worth, copies, exp3m.exploration(count, plays, rounds), rng)

    def _played(self, column: int) -> list[tuple[list[int], list[float]]]:
        """Arms and rewards by interval: targets from -2 to 2 are rewards from 0 to 1."""
        rewards = np.clip((self.rows.targets + 2.0) / 4.0, 0.0, 1.0)
        arms, intervals = self.rows.inputs.categories[:, column], self.rows.inputs.intervals
        return [
            (arms[intervals == i].tolist(), rewards[intervals == i].tolist())
            for i in np.unique(intervals)
        ]

    def _model(self, point: Point) -> Posterior | None:
        """The process that answers for this point, of the labelled rows."""
        group = self._group(point)
        if group not in self.models:
            self.models[group] = self._fitted(group)
        return self.models[group]

    def _group(self, point: Point) -> tuple[int, ...]:
        """In `mult` there is a model for each combination of categories, else one for all."""
        if self.block.categories is not Pb2Categories.MULT:
            return ()
        return tuple(self.rows.layout.categories(point.hyperparameters))

    def _fitted(self, group: tuple[int, ...]) -> Posterior | None:
        inputs, targets = self.rows.inputs, self.rows.targets
        if self.block.categories is not Pb2Categories.MIX:
            same = (
                (inputs.categories == np.array(group, dtype=np.int64)).all(axis=1)
                if group
                else slice(None)
            )
            inputs, targets = _without_categories(inputs.take(same)), targets[same]
        if len(targets) < NEEDED:
            return None
        prior = Prior.over(len(self.rows.layout.numeric))
        kernel = fit(inputs.take(slice(-FITTED, None)), targets[-FITTED:], prior)
        return Posterior.of(kernel, inputs, targets, level=LEVEL)

    def _inputs(self, points: Iterable[Point]) -> Inputs:
        inputs = self.rows.layout.inputs(points, self.rows.scores)
        return inputs if self.block.categories is Pb2Categories.MIX else _without_categories(inputs)

    def _best(self, model: Posterior, point: Point, rng: np.random.Generator) -> Choice:
        layout, values = self.rows.layout, dict(point.hyperparameters)
        moving = [i for i, p in enumerate(layout.numeric) if p.mutable and p.name in values]
        known = self._with_pending(model, self._group(point))
        start = self._inputs([point])
        weight = pb2_acquisition.beta(len(self.rows), self.block.beta.c1, self.block.beta.c2)
        free = np.array(moving, dtype=np.int64)
        there = pb2_acquisition.best(known, start, free, weight, rng, self._snap)
        for column in moving:
            parameter = layout.numeric[column]
            values[parameter.name] = value_at(parameter, float(there[column]))
        mean, variance = model.predict(Inputs(there[None, :], start.categories, start.intervals))
        scale = self.rows.scale
        expected = (
            scale.centre + scale.spread * float(mean[0]),
            scale.spread * float(variance[0]) ** 0.5,
        )
        return Choice(values, expected, len(model.inputs))

    def _with_pending(self, model: Posterior, group: tuple[int, ...]) -> Posterior:
        """The model with all that is pending in this group: only what came last is added anew."""
        points = [p for p in self.pending if self._group(p) == group]
        known, count = self.blocks.get(group, (model, 0))
        if len(points) - count >= BLOCK:
            known, count = known.pending(self._inputs(points[count:])), len(points)
            self.blocks[group] = known, count
        return known.pending(self._inputs(points[count:]))

    def _snap(self, points: Array) -> Array:
        """Points with each coordinate at a value that its parameter has (q x D)."""
        snapped = points.copy()
        for column, parameter in enumerate(self.rows.layout.numeric):
            if _continuous(parameter):
                continue
            snapped[:, column] = [
                unit(parameter, value_at(parameter, c)) for c in points[:, column].tolist()
            ]
        return snapped


def _without_categories(inputs: Inputs) -> Inputs:
    return replace(inputs, categories=inputs.categories[:, :0])


def _continuous(parameter: Parameter) -> bool:
    return parameter.float_ is not None and not parameter.float_.step
