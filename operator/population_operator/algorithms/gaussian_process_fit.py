"""The hyperparameters of the Gaussian process: marginal likelihood, priors, and their maximum.

What is maximised is ln p(y | theta) + ln p(theta) (Rasmussen and Williams, 2006, equations 2.30
and 5.9): with a few dozen noisy rows the likelihood alone is flat, or content with explaining
everything as noise. theta are logarithms, each with a normal prior:

    quantity              median                 factor within one standard deviation
    s                     1                      e^0.5
    l of a parameter      0.15 sqrt(D)           e^0.7     (longer where there are more of them)
    l of the score        2                      e^1.0     (mostly irrelevant; rows say otherwise)
    rate                  0.01 per interval      e^1.0     (w of 0.02: half in 69 intervals)
    noise                 0.4                    e^0.7
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from population_operator.algorithms.cholesky import factor, inverse_of_triangular
from population_operator.algorithms.gaussian_process import (
    Array,
    Distances,
    Inputs,
    Kernel,
    covariance_at,
)

ITERATIONS = 12
"""Steps of the maximiser from each start: a fixed bound, so that time and result are too."""

ENOUGH = 0.01
"""A step that gains less than this, in units of log probability, is the last."""

ROUNDING = 1e-3
"""theta is rounded to this: what the last bits of a matrix product do must decide nothing."""

_LOW, _HIGH = math.log(1e-3), math.log(1e3)
_STEP = 1.5
"""The longest step in any of the logarithms."""


@dataclass(frozen=True)
class Prior:
    """Normal priors on theta: means and standard deviations, D + 3 each."""

    mean: Array
    deviation: Array

    @classmethod
    def over(cls, parameters: int, extra: int = 1) -> Prior:
        """For coordinates of which the last `extra` are no hyperparameters (the score)."""
        own = 0.15 * math.sqrt(max(parameters, 1))
        medians = [1.0, *[own] * parameters, *[2.0] * extra, 0.01, 0.4]
        deviations = [0.5, *[0.7] * parameters, *[1.0] * extra, 1.0, 0.7]
        return cls(np.log(medians), np.array(deviations))

    def density(self, theta: Array) -> tuple[float, Array]:
        """ln p(theta) up to a constant, and its gradient."""
        away = (theta - self.mean) / self.deviation
        return -0.5 * float(away @ away), -away / self.deviation


@dataclass(frozen=True)
class Evidence:
    """ln p(y | theta) of fixed rows as a function of theta."""

    inputs: Inputs
    targets: Array
    known: Distances

    @classmethod
    def of(cls, inputs: Inputs, targets: Array) -> Evidence:
        return cls(inputs, targets, Distances.between(inputs, inputs))

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """The log marginal likelihood of n rows, and its gradient by theta (D + 3).

        O(n^3 + D n^2): the sum over a length's derivative, which is W (x - x')^2 / l^2 for each
        pair of rows, is a quadratic form in the coordinate, so no n x n x D array is needed.
        """
        kernel, x = Kernel.of(theta), self.inputs.coordinates
        rows, through, whitening = self._whitened(kernel)
        white = whitening @ self.targets
        weights = whitening.T @ white
        value = -0.5 * float(white @ white) + float(np.log(np.diag(whitening)).sum())
        value -= 0.5 * len(self.targets) * math.log(2.0 * math.pi)

        # dL = 1/2 tr((w w' - K^-1) dK): equation 5.9 of Rasmussen and Williams.
        pull = 0.5 * (np.outer(weights, weights) - whitening.T @ whitening)
        by_length = pull * through
        moments = by_length.sum(axis=1) @ (x * x) - np.einsum("nd,nd->d", x, by_length @ x)
        by_rows = pull * rows
        gradient = np.concatenate(
            (
                [2.0 * float(by_rows.sum())],
                2.0 * moments / kernel.lengths**2,
                [-kernel.rate * float((by_rows * self.known.apart).sum())],
                [2.0 * kernel.noise**2 * float(np.trace(pull))],
            )
        )
        return value, gradient

    def information(self, theta: Array) -> Array:
        """The expected curvature of -ln p(y | theta), which is Fisher's information.

        (D + 3) x (D + 3), positive semidefinite: 1/2 tr(K^-1 dK_a K^-1 dK_b). O(D n^3).
        """
        kernel, x = Kernel.of(theta), self.inputs.coordinates
        rows, through, whitening = self._whitened(kernel)
        inverse = whitening.T @ whitening
        columns = (x / kernel.lengths).T
        slopes = [
            2.0 * rows,
            *(through * np.subtract.outer(column, column) ** 2 for column in columns),
            -kernel.rate * rows * self.known.apart,
            2.0 * kernel.noise**2 * np.eye(len(rows)),
        ]
        solved = [inverse @ slope for slope in slopes]
        turned = [np.ascontiguousarray(one.T) for one in solved]
        return 0.5 * np.array([[np.vdot(a, b) for b in turned] for a in solved])

    def _whitened(self, kernel: Kernel) -> tuple[Array, Array, Array]:
        """Covariances without noise, W of `covariance_at`, and the inverse of L (n x n each)."""
        rows, through = covariance_at(kernel, self.inputs, self.inputs, self.known)
        noisy = rows.copy()
        noisy[np.diag_indices_from(noisy)] += kernel.noise**2
        return rows, through, inverse_of_triangular(factor(noisy, kernel.signal**2))


def fit(inputs: Inputs, targets: Array, prior: Prior) -> Kernel:
    """The most probable hyperparameters, from the best of several starts.

    Deterministic: fixed starts (the prior's medians; a process that is short, quick and precise;
    one that is long, lasting and noisy), a fixed bound on the steps, a rounded result. Fisher's
    information, once, is the first metric: it saves half of the evaluations that the prior's needs.
    """
    evidence = Evidence.of(inputs, targets)

    def objective(theta: Array) -> tuple[float, Array]:
        value, gradient = evidence(theta)
        prior_value, prior_gradient = prior.density(theta)
        return value + prior_value, gradient + prior_gradient

    lean = np.ones_like(prior.mean)
    lean[0], lean[-2] = 0.0, -1.0
    starts = (prior.mean, prior.mean - lean * prior.deviation, prior.mean + lean * prior.deviation)
    start = starts[int(np.argmax([objective(start)[0] for start in starts]))]
    curvature = evidence.information(start) + np.diag(prior.deviation**-2)
    found, _ = maximise(objective, start, np.asarray(np.linalg.inv(curvature), dtype=np.float64))
    return Kernel.of(np.round(found / ROUNDING) * ROUNDING)


Objective = Callable[[Array], tuple[float, Array]]
"""The value and the gradient at a point."""


def maximise(objective: Objective, start: Array, metric: Array) -> tuple[Array, float]:
    """BFGS with backtracking, within a box; `metric` is the first guess of the inverse curvature.

    Returns the best point and its value.
    """
    point, inverse = start, metric
    value, slope = objective(start)
    for _ in range(ITERATIONS):
        direction = inverse @ slope
        if float(direction @ slope) <= 0.0:
            inverse = metric
            direction = inverse @ slope
        length = min(1.0, _STEP / (float(np.abs(direction).max()) + 1e-300))
        for _ in range(6):
            new = np.clip(point + length * direction, _LOW, _HIGH)
            new_value, new_slope = objective(new)
            if new_value >= value + 1e-4 * float(slope @ (new - point)):
                break
            length *= 0.3
        else:
            break
        moved, turned = new - point, slope - new_slope
        gained = new_value - value
        point, value, slope = new, new_value, new_slope
        if gained < ENOUGH:
            break
        curvature = float(moved @ turned)
        if curvature > 1e-10:
            along = inverse @ turned
            outer = np.outer(moved, along)
            inverse = (
                inverse
                + (1.0 + float(turned @ along) / curvature) * np.outer(moved, moved) / curvature
                - (outer + outer.T) / curvature
            )
    return point, value
