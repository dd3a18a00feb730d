"""Configurations by a Gaussian process of all rungs, for Hyperband and ASHA.

The process is FABOLAS's over configurations and budgets (`budget_process.py`), so that every result
counts, as in Klein et al. (arXiv 2003.10865), and not those of one budget, as in BOHB. It differs:

- The budget's coordinate is s = 1 - ln(R / r) / ln(R / r_0): rungs are evenly apart, as the early
  part of a learning curve is steep and the late part flat.
- Targets are -ln(best - merit + a tenth of the quartiles' distance), standardised: losses spread
  over powers of ten, and it is the good ones that have to be told apart.

What is proposed maximises logEI (`acquisition.py`) at the full budget against the best that the
process predicts for what was tried. A third are random draws, as in BOHB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from population_operator.algorithms.acquisition import most_promising, value
from population_operator.algorithms.budget_process import Process, encoded, loss_basis
from population_operator.algorithms.gaussian_process import Array
from population_operator.algorithms.start import FIRST
from population_operator.algorithms.surrogate import standardised
from population_operator.api import PopulationExperiment, Value
from population_operator.api.trials import Acquisition
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.space import Hyperparameters, Space
from population_operator.model.state import State, member_name

RANDOM = 1 / 3
LARGEST = 250
"""Results that the process is fitted to: the best of them, and the latest trials'."""


def modelled(
    experiment: PopulationExperiment,
    state: State,
    index: int,
    pending: Iterable[Hyperparameters],
    key: Key,
) -> tuple[dict[str, Value], str] | None:
    """A configuration by the process; none where a draw is due. `pending` have no result yet.

    A draw is due for `initial`, for a third of the others, and until there are 2 (D + 2) results.
    """
    rng = key.generator(member_name(index), FIRST, "gaussian process")
    if rng.random() < RANDOM or index < len(experiment.spec.initial):
        return None
    results = Results.of(experiment, state)
    if len(results.losses) < 2 * (len(experiment.spec.parameters) + 2):
        return None
    return _proposed(experiment.spec.parameters, results, list(pending), rng)


@dataclass(frozen=True)
class Results:
    """n results by trial: configurations, budgets in (0, 1] (n), and standardised losses (n)."""

    values: Sequence[Hyperparameters]
    shares: Array
    losses: Array

    @classmethod
    def of(cls, experiment: PopulationExperiment, state: State) -> Results:
        """Those of all rungs; where there are too many, those that tell most."""
        goal, schedule = experiment.spec.objective.goal, experiment.spec.schedule
        rows = [(member, result) for member in state.population for result in member.rungs]
        losses = spread(np.array([merit(goal, result.score) for _, result in rows]))
        steps = np.array([result.step for _, result in rows], dtype=float)
        chosen = _most_telling(losses)
        return cls(
            [rows[i][0].decision.hyperparameters for i in chosen],
            position(steps[chosen], schedule.interval, schedule.max_steps),
            losses[chosen],
        )


def position(steps: Array, least: int, most: int) -> Array:
    """Budgets (n) on a logarithmic scale: nearly 0 for the smallest, 1 for the full one.

    >>> position(np.array([1.0, 9.0, 81.0]), 1, 81).round(3).tolist()
    [0.001, 0.5, 1.0]
    """
    if least >= most:
        return np.ones_like(steps)
    return np.asarray(np.clip(1.0 - np.log(most / steps) / math.log(most / least), 0.001, 1.0))


def spread(merits: Array) -> Array:
    """Losses (n): standardised logarithms of how far merits (n) lie below the best.

    What is not finite counts as the worst that is.

    >>> spread(np.array([-1.0, -0.1, -0.01, float("-inf")])).argsort(kind="stable").tolist()
    [2, 1, 0, 3]
    """
    finite = merits[np.isfinite(merits)]
    if not len(finite):
        return np.zeros(len(merits))
    below = finite.max() - np.where(np.isfinite(merits), merits, finite.min())
    low, high = np.quantile(finite, (0.25, 0.75))
    typical = float(high - low) or float(finite.std())
    return standardised(np.log(below + 0.1 * typical)) if typical > 0.0 else np.zeros(len(merits))


def _most_telling(losses: Array) -> list[int]:
    """Indices of at most `LARGEST` results, in order."""
    if len(losses) <= LARGEST:
        return list(range(len(losses)))
    best = np.argsort(losses, kind="stable")[: LARGEST // 2].tolist()
    known = set(best)
    others = [i for i in range(len(losses)) if i not in known]
    return sorted([*best, *others[-(LARGEST - len(best)) :]])


def _proposed(
    space: Space,
    results: Results,
    pending: Sequence[Hyperparameters],
    rng: np.random.Generator,
) -> tuple[dict[str, Value], str]:
    """What has the highest logEI at the full budget. O(n^3)."""
    tried = _points(space, results.values)
    process = Process.of(loss_basis, tried, results.shares, results.losses)
    best = float(process.means(tried, np.ones(len(tried))).min())
    process = process.believing(_points(space, pending), np.ones(len(pending)))

    def score(configurations: Sequence[Hyperparameters]) -> Array:
        mean, variance = process.at(_points(space, configurations), np.ones(len(configurations)))
        deviation = np.sqrt(np.maximum(variance, 1e-18))
        return value(Acquisition.LOG_EI, -mean, deviation, -best, 0.0)

    order = np.lexsort((-results.losses, results.shares)).tolist()
    known = [*pending, *(results.values[i] for i in order)]
    said = f"a Gaussian process of {len(results.losses)} results on all rungs"
    return most_promising(space, score, known, rng), said


def _points(space: Space, configurations: Sequence[Hyperparameters]) -> Array:
    return np.array([encoded(space, values) for values in configurations]).reshape(
        len(configurations), -1
    )
