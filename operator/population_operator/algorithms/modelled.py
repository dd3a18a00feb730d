"""Configurations by a Gaussian process of all rungs, for Hyperband and ASHA.

The budget is a coordinate of the process, so that every result counts, as in Klein et al. (arXiv
2003.10865), and not those of one budget alone, as in BOHB:

- It is 1 - ln(R / r) / ln(R / r_0): rungs are evenly apart, as the early part of a learning curve
  is steep and the late part flat.
- Targets are -ln(best - merit + a tenth of the quartiles' distance), standardised: losses spread
  over powers of ten, and it is the good ones that have to be told apart.

What is proposed maximises logEI (`acquisition.py`) at the full budget against the best that the
process predicts for what was tried. A third are random draws, as in BOHB. A trial that failed for
good counts as the worst on the rung that it was on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from population_operator.algorithms.acquisition import most_promising, value
from population_operator.algorithms.gaussian_process import Array, Inputs, Posterior
from population_operator.algorithms.gaussian_process_fit import fit
from population_operator.algorithms.start import FIRST
from population_operator.algorithms.surrogate import (
    inputs_of,
    most_telling,
    prior_over,
    standardised,
)
from population_operator.algorithms.trials import outcomes
from population_operator.api import PopulationExperiment, Value
from population_operator.api.trials import Acquisition
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.space import Hyperparameters, Space
from population_operator.model.state import State, member_name

RANDOM = 1 / 3
LARGEST = 250
"""Results that the process is fitted to: the best of them, and the latest trials'."""


Propose = Callable[[int, Iterable[Hyperparameters]], tuple[dict[str, Value], str] | None]
"""A configuration for the trial of this index, and where it comes from; none where a draw is due.
The others have no result yet."""


def modelled(experiment: PopulationExperiment, state: State, key: Key) -> Propose:
    """Proposals for one decision: the process is fitted once, where it is asked.

    A draw is due for `initial`, for a third of the others, and until there are 2 (D + 2) results.
    """

    @cache
    def model() -> Model | None:
        return Model.of(experiment, state)

    def propose(
        index: int, pending: Iterable[Hyperparameters]
    ) -> tuple[dict[str, Value], str] | None:
        rng = key.generator(member_name(index), FIRST, "gaussian process")
        if rng.random() < RANDOM or index < len(experiment.spec.initial):
            return None
        known = model()
        return known.propose(list(pending), rng) if known is not None else None

    return propose


@dataclass(frozen=True)
class Results:
    """n results by trial: configurations, budgets in [0, 1] (n), and standardised merits (n)."""

    values: Sequence[Hyperparameters]
    shares: Array
    merits: Array

    @classmethod
    def of(cls, experiment: PopulationExperiment, state: State) -> Results:
        """Those of all rungs; where there are too many, those that tell most."""
        goal, schedule = experiment.spec.objective.goal, experiment.spec.schedule
        rows = list(outcomes(state))
        merits = spread(np.array([merit(goal, result.score) for _, result in rows]))
        steps = np.array([result.step for _, result in rows], dtype=float)
        chosen = most_telling(merits, LARGEST)
        return cls(
            [rows[i][0].decision.hyperparameters for i in chosen],
            position(steps[chosen], schedule.interval, schedule.max_steps),
            merits[chosen],
        )


def position(steps: Array, least: int, most: int) -> Array:
    """Budgets (n) on a logarithmic scale: 0 for the smallest, 1 for the full one.

    >>> position(np.array([1.0, 9.0, 81.0]), 1, 81).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    if least >= most:
        return np.ones_like(steps)
    return np.asarray(1.0 - np.log(most / steps) / math.log(most / least))


def spread(merits: Array) -> Array:
    """Standardised merits (n), on a logarithmic scale of how far below the best they lie.

    What is not finite counts as the worst that is.

    >>> spread(np.array([-1.0, -0.1, -0.01, float("-inf")])).argsort(kind="stable").tolist()
    [0, 3, 1, 2]
    """
    finite = merits[np.isfinite(merits)]
    if not len(finite):
        return np.zeros(len(merits))
    below = finite.max() - np.where(np.isfinite(merits), merits, finite.min())
    low, high = np.quantile(finite, (0.25, 0.75))
    typical = float(high - low) or float(finite.std())
    if typical <= 0.0:
        return np.zeros(len(merits))
    # A tenth of the smallest differences there are is nothing, and has no logarithm.
    return standardised(-np.log(below + max(0.1 * typical, np.finfo(float).tiny)))


@dataclass(frozen=True)
class Model:
    """The process of all results; `best` is what it predicts at most for what was tried."""

    space: Space
    results: Results
    posterior: Posterior
    best: float

    @classmethod
    def of(cls, experiment: PopulationExperiment, state: State) -> Model | None:
        """O(n^3) in the results; none where they are too few."""
        space, results = experiment.spec.parameters, Results.of(experiment, state)
        if len(results.merits) < 2 * (len(space) + 2):
            return None
        inputs = _inputs(space, results.values, results.shares)
        kernel = fit(inputs, results.merits, prior_over(inputs.coordinates.shape[1] - 1, extra=1))
        posterior = Posterior.of(kernel, inputs, results.merits)
        means, _ = posterior.predict(_inputs(space, results.values))
        return cls(space, results, posterior, float(means.max()))

    def propose(
        self, pending: Sequence[Hyperparameters], rng: np.random.Generator
    ) -> tuple[dict[str, Value], str]:
        """What has the highest logEI at the full budget."""
        posterior = self.posterior.pending(_inputs(self.space, pending))

        def score(configurations: Sequence[Hyperparameters]) -> Array:
            mean, variance = posterior.predict(_inputs(self.space, configurations))
            return value(Acquisition.LOG_EI, mean, np.sqrt(variance), self.best, 0.0)

        results = self.results
        order = np.lexsort((results.merits, results.shares)).tolist()
        known = [*pending, *(results.values[i] for i in order)]
        said = f"a Gaussian process of {len(results.merits)} results on all rungs"
        return most_promising(self.space, score, known, rng), said


def _inputs(
    space: Space, configurations: Sequence[Hyperparameters], shares: Array | float = 1.0
) -> Inputs:
    """Configurations as the kernel takes them, the budget as the last coordinate."""
    known = inputs_of(space, configurations)
    column = np.broadcast_to(shares, len(configurations))
    return replace(known, coordinates=np.column_stack((known.coordinates, column)))
