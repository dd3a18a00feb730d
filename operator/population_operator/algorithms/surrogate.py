"""A Gaussian process of final scores over configurations, for Bayesian optimisation.

PB2's process (`gaussian_process.py`) without time: all points stand in the same interval, so that
nothing is forgotten. Inputs are unit coordinates and categories (a parameter
that is not active stands in the middle, an inactive category is one of its own, so conditional
spaces work). Targets are merits, less their mean, over their standard deviation, where none lies so
far below the others that it hides what is between them (`bounded`); a result that is not finite
counts as the worst finite one.

Priors (see `gaussian_process_fit.py`): as for PB2, but with less noise, 0.05 of the targets'
deviation (one standard deviation: a factor e^1.5), since a trained model's score repeats itself
better than the change within an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from population_operator.algorithms.gaussian_process import Array, Inputs, Posterior
from population_operator.algorithms.gaussian_process_fit import Prior, fit
from population_operator.api import CategoricalDomain
from population_operator.model.space import Hyperparameters, Space, categories, to_units

INACTIVE = 0.5
LARGEST = 500
"""Results that the model is fitted to: the best half and the latest of the others."""

FARTHEST = 10.0
"""How far below the median merits are told apart, in distances from the median up to the best. It
is those above the median that say what is usual, as up to half of all trials may diverge."""

HUGE = 1e150
"""Merits above this are counted in another unit: their squares have no sum."""


@dataclass(frozen=True)
class Surrogate:
    """A conditioned process; `best` is the highest posterior mean at a point that was tried.

    `rows` counts the results; all of `posterior`, `best` and predictions are in the targets' unit.
    """

    space: Space
    posterior: Posterior
    best: float
    rows: int

    @classmethod
    def of(cls, space: Space, tried: Sequence[Hyperparameters], merits: Array) -> Surrogate:
        """The process given n >= 2 configurations and their merits (n; -inf where there is none).

        O(n^3).
        """
        chosen = most_telling(merits, LARGEST)
        targets = standardised(bounded(merits[chosen]))
        inputs = inputs_of(space, [tried[i] for i in chosen])
        kernel = fit(inputs, targets, prior_over(inputs.coordinates.shape[1]))
        posterior = Posterior.of(kernel, inputs, targets)
        means, _ = posterior.predict(inputs)
        return cls(space, posterior, float(means.max()), len(merits))

    def pending(self, configurations: Sequence[Hyperparameters]) -> Surrogate:
        """The process while these are being tried: they lower the variance where they are."""
        return replace(
            self, posterior=self.posterior.pending(inputs_of(self.space, configurations))
        )

    def predict(self, configurations: Sequence[Hyperparameters]) -> tuple[Array, Array]:
        """Mean and standard deviation (q each)."""
        mean, variance = self.posterior.predict(inputs_of(self.space, configurations))
        return mean, np.sqrt(variance)


def prior_over(parameters: int, extra: int = 0) -> Prior:
    """PB2's priors with less noise; the last `extra` coordinates are no parameters."""
    usual = Prior.over(parameters, extra)
    mean, deviation = usual.mean.copy(), usual.deviation.copy()
    mean[-1], deviation[-1] = math.log(0.05), 1.5
    return Prior(mean, deviation)


def inputs_of(space: Space, configurations: Sequence[Hyperparameters]) -> Inputs:
    """Configurations as the kernel takes them; numbers and categories in the space's order."""
    count = len(configurations)
    numbers, chosen = [], []
    for parameter in space:
        values = [one.get(parameter.name) for one in configurations]
        domain = parameter.domain
        if isinstance(domain, CategoricalDomain):
            known = categories(domain)
            chosen.append([-1 if value is None else known.index(value) for value in values])
        else:
            units = to_units(domain, np.array(values, dtype=float))  # None becomes NaN.
            numbers.append(np.where(np.isnan(units), INACTIVE, units))
    return Inputs(
        np.array(numbers, dtype=float).reshape(len(numbers), count).T,
        np.array(chosen, dtype=np.int64).reshape(len(chosen), count).T,
        np.zeros(count),
    )


def standardised(merits: Array) -> Array:
    """Mean 0, standard deviation 1; what is not finite as the worst that is."""
    finite = merits[np.isfinite(merits)]
    if not len(finite):
        return np.zeros(len(merits))
    filled = np.where(np.isfinite(merits), merits, finite.min())
    deviation = float(filled.std())
    return np.asarray((filled - filled.mean()) / (deviation if deviation > 0.0 else 1.0))


def bounded(merits: Array) -> Array:
    """Merits (n) of which none lies so far below the others that it hides what is between them.

    A finite one more than `FARTHEST` below the median counts as one that is just there; the good
    end is left alone, and so is what is not finite. Where all are nearer, they are as they were.

    >>> bounded(np.array([-0.1, -0.2, -0.3, -0.4, -1e6, float("-inf")])).round(3).tolist()
    [-0.1, -0.2, -0.3, -0.4, -2.3, -inf]
    """
    finite = np.isfinite(merits)
    if not finite.any():
        return merits
    # A quarter of them: no difference overflows.
    middle, best = np.quantile(merits[finite] / 4.0, (0.5, 1.0)).tolist()
    if middle < best:
        limit = 4.0 * (middle - FARTHEST * (best - middle))
        merits = np.where(finite, np.maximum(merits, limit), merits)
    largest = float(np.abs(merits[finite]).max())
    return merits / largest if largest > HUGE else merits


def most_telling(merits: Array, most: int) -> list[int]:
    """Indices of at most so many results (n), in order: the best half, the latest of the others."""
    if len(merits) <= most:
        return list(range(len(merits)))
    best = np.argsort(-merits, kind="stable")[: most // 2].tolist()
    known = set(best)
    others = [i for i in range(len(merits)) if i not in known]
    return sorted([*best, *others[len(merits) - most :]])
