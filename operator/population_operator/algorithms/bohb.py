"""BOHB (Falkner, Klein, Hutter, arXiv 1807.01774, algorithm 2): Hyperband with a density model.

Rungs and brackets are Hyperband's. A new trial's configuration is, for a third of them, a random
draw; else it comes from the results of the largest budget that has enough of them:

- n results, ranked by `trials.ranked`'s order, are split into the best
  max(min_points, n topPercent / 100), and the next max(min_points, n (100 - topPercent) / 100);
- a density l is put on the good, g on the bad; 64 candidates are drawn around good ones, three
  times as wide; the one with the largest l / g is taken (equation 2).

These are hpbandster's formulas and defaults: min_points is D + 1, or more, and each part has more
than D results, of which more than D are finite, in all. NaN counts as bad, and so does a trial that
failed for good. A parameter that is
not active in a result is imputed by another result's value of the same part, or by a draw where
none has one (so conditional spaces work). A trial that runs has no part in the model, as in
hpbandster.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from population_operator.algorithms.base import Plan
from population_operator.algorithms.brackets import Bracket
from population_operator.algorithms.density import SMALLEST, Array, Density
from population_operator.algorithms.halving import halve, halving_demand, plan_of
from population_operator.algorithms.hyperband import brackets_of
from population_operator.algorithms.start import FIRST
from population_operator.algorithms.trials import drawn, outcomes
from population_operator.api import CategoricalDomain, PopulationExperiment, Value
from population_operator.api.trials import Bohb as Block
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.space import (
    Hyperparameters,
    Space,
    categories,
    from_unit,
    is_active,
    to_unit,
)
from population_operator.model.state import State, member_name


class Bohb:
    """The manifest's `bohb` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`. The model is built at most once, where a trial starts."""
        block = experiment.spec.algorithm.bohb or Block()
        models: list[Model | None] = []

        def propose(index: int, bracket: Bracket, made: object) -> tuple[dict[str, Value], str]:
            rng = key.generator(member_name(index), FIRST, "bohb")
            evenly = rng.random() < block.random_fraction
            if evenly or index < len(experiment.spec.initial):
                return drawn(experiment, index, key)
            if not models:
                models.append(model_of(experiment, state, block, key))
            return models[0].propose(rng) if models[0] else drawn(experiment, index, key)

        return halve(experiment, state, brackets_of(experiment), free, propose)

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`."""
        return halving_demand(experiment, state, brackets_of(experiment))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return plan_of(brackets_of(experiment))


@dataclass(frozen=True)
class Model:
    """Good and bad results of one budget (a step)."""

    space: Space
    block: Block
    budget: int
    rows: int
    good: Density
    bad: Density

    def propose(self, rng: np.random.Generator) -> tuple[dict[str, Value], str]:
        """The most promising of the candidates; ties go to the one that was drawn first."""
        candidates = self.good.draw(rng, self.block.samples, self.block.bandwidth_factor)
        best = int(np.argmax(self.ratio(candidates)))
        said = f"the density of {self.rows} results at step {self.budget}"
        return decoded(self.space, candidates[best]), said

    def ratio(self, points: Array) -> Array:
        """l / g, the larger the better (q)."""
        above = np.maximum(self.good(points), SMALLEST)
        return above / np.maximum(self.bad(points), SMALLEST)


def model_of(
    experiment: PopulationExperiment, state: State, block: Block, key: Key
) -> Model | None:
    """The model of the largest budget that has enough results."""
    space, goal = experiment.spec.parameters, experiment.spec.objective.goal
    brackets = {bracket.number: bracket for bracket in brackets_of(experiment)}
    by_budget: dict[int, list[tuple[float, int, Hyperparameters]]] = defaultdict(list)
    for member, result in outcomes(state):
        row = (-merit(goal, result.score), member.index, member.decision.hyperparameters)
        # Not where the trial stood: one that overshot is on the same rung as the others.
        by_budget[brackets[result.bracket].steps[result.rung]].append(row)
    for budget in sorted(by_budget, reverse=True):
        ordered = sorted(by_budget[budget], key=lambda row: row[:2])
        if sum(math.isfinite(loss) for loss, *_ in ordered) <= len(space):
            continue  # The best of what failed are no good ones.
        parts = split(np.array([encoded(space, row[2]) for row in ordered]), block)
        if parts is not None:
            rng, levels = key.generator("", len(ordered), f"impute {budget}"), levels_of(space)
            whole = (imputed(space, part, rng) for part in parts)
            good, bad = (Density.of(part, levels, block.min_bandwidth) for part in whole)
            return Model(space, block, budget, len(ordered), good, bad)
    return None


def split(vectors: Array, block: Block) -> tuple[Array, Array] | None:
    """Results in rank order as good and bad ones; none where they are too few for a model."""
    count, columns = vectors.shape
    least = max(block.min_points or 0, columns + 1)
    if count < least:
        return None
    good = max(least, count * block.top_percent // 100)
    bad = max(least, count * (100 - block.top_percent) // 100)
    parts = vectors[:good], vectors[good : good + bad]
    return parts if min(map(len, parts)) > columns else None


def levels_of(space: Space) -> tuple[int, ...]:
    """How many categories each column has; 0 for a coordinate."""
    return tuple(
        len(p.domain.values) if isinstance(p.domain, CategoricalDomain) else 0 for p in space
    )


def encoded(space: Space, values: Hyperparameters) -> list[float]:
    """A configuration as a row (D): unit coordinates, indices of categories, NaN if not active."""
    row = []
    for parameter in space:
        domain, value = parameter.domain, values.get(parameter.name)
        if value is None:
            row.append(float("nan"))
        elif isinstance(domain, CategoricalDomain):
            row.append(float(categories(domain).index(value)))
        else:
            row.append(to_unit(domain, float(value)))
    return row


def decoded(space: Space, row: Array) -> dict[str, Value]:
    """The configuration that a complete row means; what is not active is left out."""
    values: dict[str, Value] = {}
    for parameter, number in zip(space, row.tolist(), strict=True):
        domain = parameter.domain
        if isinstance(domain, CategoricalDomain):
            values[parameter.name] = categories(domain)[int(number)]
        else:
            values[parameter.name] = from_unit(domain, number)
    return {p.name: values[p.name] for p in space if is_active(p, space, values)}


def imputed(space: Space, rows: Array, rng: np.random.Generator) -> Array:
    """`rows` (n x D) with a value in place of each NaN: another row's, or a draw."""
    rows = rows.copy()
    for column, levels in enumerate(levels_of(space)):
        missing = np.isnan(rows[:, column])
        if not missing.any():
            continue
        known = rows[~missing, column]
        if len(known):
            rows[missing, column] = known[rng.integers(len(known), size=missing.sum())]
        elif levels:
            rows[missing, column] = rng.integers(levels, size=missing.sum())
        else:
            rows[missing, column] = rng.random(missing.sum())
    return rows
