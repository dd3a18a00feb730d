"""Where PB2 looks next: the upper confidence bound, and its maximum over some coordinates.

    a(x) = mu(x) + sqrt(beta) sigma(x)                  arXiv 2002.02518, equation 5
    beta = c1 + max(0, ln(c2 n))                        n: the rows used

mu is of the labelled rows alone, sigma also of the pending ones (`Posterior.pending`). The
constants of the paper's theorem are not computable; these are its code's form, with c1 = 0.2 and
c2 = 0.4, and sigma where that code has sigma^2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from population_operator.algorithms.gaussian_process import Array, Inputs, Posterior

CANDIDATES = 128
"""Points of the first pass: three quarters uniform, the rest around the start."""

STARTS = 4
"""The best of them, which are refined."""

STEPS = 8
"""Gradient steps of the refinement."""

GRID = 1e-4
"""Coordinates are rounded to this: the last bits of a matrix product decide nothing."""


def beta(rows: int, c1: float, c2: float) -> float:
    """The weight of the variance.

    >>> beta(0, 0.2, 0.4), round(beta(160, 0.2, 0.4), 3)
    (0.2, 4.359)
    """
    return c1 + max(0.0, math.log(c2 * rows)) if rows else c1


def best(
    posterior: Posterior,
    start: Inputs,
    free: NDArray[np.int64],
    weight: float,
    rng: np.random.Generator,
    snap: Callable[[Array], Array],
) -> Array:
    """The coordinates (D) with the highest bound among those that differ from `start` in `free`.

    Args:
      posterior: of the targets, with what is pending.
      start: one point: its categories, interval, and coordinates that are not free are kept.
      free: the columns that may move within [0, 1].
      weight: beta.
      rng: draws CANDIDATES x F numbers, whatever comes of them.
      snap: moves points (q x D) to where the search space has values.
    """
    root = math.sqrt(weight)
    spread = rng.random((CANDIDATES, len(free)))
    nearby = slice(3 * CANDIDATES // 4, None)
    moved = np.repeat(start.coordinates, CANDIDATES, axis=0)
    spread[nearby] = moved[nearby][:, free] + 0.3 * (spread[nearby] - 0.5)
    moved[:, free] = np.clip(spread, 0.0, 1.0)

    values = _bound(posterior, start, moved, root)
    leading = moved[np.argsort(-values, kind="stable")[:STARTS]]
    refined = _refined(posterior, start, leading, free, root)
    there = snap(np.round(np.concatenate((refined, leading)) / GRID) * GRID)
    best: Array = there[int(np.argmax(_bound(posterior, start, there, root)))]
    return best


def _at(start: Inputs, coordinates: Array) -> Inputs:
    """Queries at these coordinates (q x D), in the interval and with the categories of `start`."""
    count = len(coordinates)
    return Inputs(
        coordinates,
        np.repeat(start.categories, count, axis=0),
        np.repeat(start.intervals, count),
    )


def _bound(posterior: Posterior, start: Inputs, coordinates: Array, root: float) -> Array:
    mean, variance = posterior.predict(_at(start, coordinates))
    return np.asarray(mean + root * np.sqrt(variance))


def _slope(
    posterior: Posterior, start: Inputs, coordinates: Array, root: float
) -> tuple[Array, Array]:
    mean, variance, by_mean, by_variance = posterior.gradients(_at(start, coordinates))
    sigma = np.sqrt(variance)
    return mean + root * sigma, by_mean + root * by_variance / (2.0 * sigma)[:, None]


def _refined(
    posterior: Posterior, start: Inputs, points: Array, free: NDArray[np.int64], root: float
) -> Array:
    """All points climb at once, each with a step of its own: longer after a gain, else shorter.

    The step is in units of the lengths, so that a coordinate that hardly matters moves far.
    """
    scale = np.minimum(posterior.kernel.lengths[free], 1.0)
    step = np.full((len(points), 1), 0.3)
    value, slope = _slope(posterior, start, points, root)
    for _ in range(STEPS):
        ahead = slope[:, free] * scale
        held = ((points[:, free] <= 0.0) & (ahead < 0.0)) | ((points[:, free] >= 1.0) & (ahead > 0))
        ahead[held] = 0.0
        ahead /= np.abs(ahead).max(axis=1, keepdims=True, initial=1e-12)
        trial = points.copy()
        trial[:, free] = np.clip(points[:, free] + step * scale * ahead, 0.0, 1.0)
        new_value, new_slope = _slope(posterior, start, trial, root)
        better = new_value > value
        points = np.where(better[:, None], trial, points)
        slope = np.where(better[:, None], new_slope, slope)
        value = np.where(better, new_value, value)
        step = np.where(better[:, None], step * 1.5, step * 0.3)
    return points
