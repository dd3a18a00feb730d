"""Kernel densities over configurations, as BOHB needs them (arXiv 1807.01774, section 4.1).

A density is a product kernel around n points: normal for a coordinate in [0, 1], of
Aitchison-Aitken for a category. Bandwidths by the normal reference rule, as in statsmodels'
`KDEMultivariate`, which hpbandster uses:

    h_d = 1.06 sigma_d n^(-1 / (4 + D))                 sigma: of the population, not of a sample

Shapes: n points, q queries, D columns. A column's entry of `levels` is its number of categories, or
0 for a coordinate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SMALLEST = 1e-8
"""Densities below this count as this, so that their ratio is a number."""


@dataclass(frozen=True)
class Density:
    """n points (n x D), bandwidths (D), levels (D)."""

    points: Array
    bandwidths: Array
    levels: tuple[int, ...]

    @classmethod
    def of(cls, points: Array, levels: tuple[int, ...], narrowest: float) -> Density:
        """The density around points, no column narrower than `narrowest`.

        A category's bandwidth stays where Aitchison and Aitken's kernel is one: (c - 1) / c.
        """
        count, columns = points.shape
        widths = 1.06 * points.std(axis=0) * count ** (-1.0 / (4 + columns))
        widths = np.maximum(widths, narrowest)
        widest = [(c - 1) / c if c > 1 else 1.0 if c else math.inf for c in levels]
        return cls(points, np.minimum(widths, widest), levels)

    def __call__(self, queries: Array) -> Array:
        """The density at the queries (q)."""
        product = np.ones((len(queries), len(self.points)))
        for column, count in enumerate(self.levels):
            width = self.bandwidths[column]
            apart = queries[:, column, None] - self.points[None, :, column]
            if count == 0:
                norm = width * math.sqrt(2.0 * math.pi)
                product *= np.exp(-0.5 * (apart / width) ** 2) / norm
            elif count > 1:
                product *= np.where(apart == 0.0, 1.0 - width, width / (count - 1))
        return np.asarray(product.mean(axis=1))

    def draw(self, rng: np.random.Generator, count: int, factor: float) -> Array:
        """`count` points around randomly chosen ones (count x D), `factor` as wide.

        Coordinates are truncated normal in [0, 1]. A category is kept with probability 1 - h, or
        else drawn from all of them.
        """
        chosen = self.points[rng.integers(len(self.points), size=count)]
        found = np.empty_like(chosen)
        for column, levels in enumerate(self.levels):
            centres, width = chosen[:, column], float(self.bandwidths[column])
            if levels == 0:
                found[:, column] = truncated(rng, centres, factor * width)
            else:
                kept = rng.random(count) < 1.0 - width
                found[:, column] = np.where(kept, centres, rng.integers(levels, size=count))
        return found


def truncated(rng: np.random.Generator, centres: Array, width: float) -> Array:
    """One draw around each centre in [0, 1] from a normal distribution, truncated to [0, 1].

    By rejection: at least a tenth of any such distribution lies within, unless `width` is beyond
    the range; what is still outside after 64 tries is drawn evenly.
    """
    found = rng.normal(centres, width)
    for _ in range(64):
        outside = (found < 0.0) | (found > 1.0)
        if not outside.any():
            return found
        found = np.where(outside, rng.normal(centres, width), found)
    outside = (found < 0.0) | (found > 1.0)
    return np.where(outside, rng.random(len(found)), found)
