"""A Gaussian process over hyperparameters that forgets: kernel and posterior, with gradients.

The kernel is the time-varying one of PB2 (Parker-Holder, Nguyen, Roberts, arXiv 2002.02518,
equation 3) with a length for each coordinate, and its mixed form of PB2-Mix (Parker-Holder,
Nguyen, Desai, Roberts, arXiv 2106.15883, section 4) where there are categories:

    k_t = (1 - w)^(|i - j| / 2)                       i, j: intervals, counted, not normalised
    k_x = exp(-1/2 sum_d ((x_d - x'_d) / l_d)^2)
    k_h = the share of categorical parameters that agree
    k   = s^2 k_t k_x                                 no categories
    k   = s^2 k_t ((1 - m) (k_h + k_x) / 2 + m k_h k_x)

so k is s^2 at distance 0 in either form. Observations carry independent noise.

Shapes: n rows, q queries, D coordinates, C categorical parameters. Everything is in the units that
the caller chose (see `pb2_rows.py`): coordinates near [0, 1], targets of median 0 and scale 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from population_operator.algorithms.cholesky import Cholesky

Array = NDArray[np.float64]

MIX = 0.5
"""m of the mixed kernel: sum and product in equal parts, the default of arXiv 2106.15883."""


@dataclass(frozen=True)
class Inputs:
    """n points: coordinates (n x D), categories by index (n x C), intervals (n)."""

    coordinates: Array
    categories: NDArray[np.int64]
    intervals: Array

    def __len__(self) -> int:
        return len(self.intervals)

    def take(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Inputs:
        """The points at these places."""
        return Inputs(self.coordinates[which], self.categories[which], self.intervals[which])

    def and_(self, other: Inputs) -> Inputs:
        """These points, then the other's."""
        return Inputs(
            np.concatenate((self.coordinates, other.coordinates)),
            np.concatenate((self.categories, other.categories)),
            np.concatenate((self.intervals, other.intervals)),
        )


@dataclass(frozen=True)
class Kernel:
    """The kernel's hyperparameters.

    `signal` is s, `lengths` (D) are l, `rate` is -ln(1 - w) / 2 per interval, so that k_t is
    exp(-rate |i - j|), and `noise` the standard deviation of an observation's noise.
    """

    signal: float
    lengths: Array
    rate: float
    noise: float

    @property
    def forgetting(self) -> float:
        """w in [0, 1): the share of what was known that an interval makes obsolete."""
        return float(-np.expm1(-2.0 * self.rate))

    @property
    def theta(self) -> Array:
        """ln of (s, l_1 .. l_D, rate, noise): D + 3 numbers without bounds."""
        return np.log(np.concatenate(([self.signal], self.lengths, [self.rate, self.noise])))

    @classmethod
    def of(cls, theta: Array) -> Kernel:
        """The inverse of `theta`."""
        signal, *lengths, rate, noise = np.exp(theta).tolist()
        return cls(signal, np.array(lengths), rate, noise)


@dataclass(frozen=True)
class Distances:
    """What the kernel needs of two sets of points, a x b, and does not depend on its lengths.

    `apart` is |i - j|, or a x 1 of it where all of b stand in one interval, as queries do;
    `agreement` is k_h, none where there are no categories.
    """

    apart: Array
    agreement: Array | None

    @classmethod
    def between(cls, a: Inputs, b: Inputs) -> Distances:
        """Between every point of a and every point of b."""
        together = len(b) > 0 and bool((b.intervals == b.intervals[0]).all())
        apart = np.subtract.outer(a.intervals, b.intervals[:1] if together else b.intervals)
        np.abs(apart, out=apart)
        if a.categories.shape[1] == 0:
            return cls(apart, None)
        equal = a.categories[:, None, :] == b.categories[None, :, :]
        return cls(apart, equal.mean(axis=2))


def covariance(kernel: Kernel, a: Inputs, b: Inputs) -> tuple[Array, Array]:
    """Covariances (a x b), and the part of them through which the coordinates act (a x b)."""
    return covariance_at(kernel, a, b, Distances.between(a, b))


def covariance_at(kernel: Kernel, a: Inputs, b: Inputs, known: Distances) -> tuple[Array, Array]:
    """`covariance` where the distances are known already.

    The second result W is what is multiplied by k_x in k: dk/dx_d = W (x'_d - x_d) / l_d^2.
    """
    through = _exponent(a.coordinates / kernel.lengths, b.coordinates / kernel.lengths)
    through -= kernel.rate * known.apart
    through += 2.0 * math.log(kernel.signal)
    np.exp(through, out=through)
    if known.agreement is None:
        return through, through
    through *= (1.0 - MIX) / 2.0 + MIX * known.agreement
    alone = np.exp(-kernel.rate * known.apart) * known.agreement
    return through + kernel.signal**2 * (1.0 - MIX) / 2.0 * alone, through


def _exponent(a: Array, b: Array) -> Array:
    """Minus half the squared Euclidean distances, a x b; never above zero.

    All of it is one product, of rows with two more columns: half their squares, and ones.
    """
    left = np.column_stack((a, -0.5 * (a * a).sum(axis=1), np.ones(len(a))))
    right = np.column_stack((b, np.ones(len(b)), -0.5 * (b * b).sum(axis=1)))
    exponent: Array = left @ right.T
    return np.minimum(exponent, 0.0, out=exponent)


@dataclass(frozen=True)
class Posterior:
    """A conditioned process: N rows, of which the pending ones have no label.

    `rows` is the Cholesky factor of the rows' covariance with noise (N x N); `weights` (N) are that
    covariance's inverse times the targets, and 0 for pending rows, so that these act on the
    variance alone (Desautels et al., JMLR 15, 2014; arXiv 2002.02518, section 4).
    """

    kernel: Kernel
    inputs: Inputs
    rows: Cholesky
    weights: Array
    mean: float = 0.0

    @classmethod
    def of(cls, kernel: Kernel, inputs: Inputs, targets: Array, *, level: float = 0.0) -> Posterior:
        """Condition on n targets. The order of the rows does not matter.

        Args:
          kernel: the hyperparameters.
          inputs: n rows.
          targets: what was observed there (n).
          level: the standard deviation, around 0, of the process's constant mean. The posterior
            takes its most probable value (Rasmussen and Williams, 2006, equation 2.41 for a
            constant basis), and leaves what it does not know of it out of the variance. 0: the mean
            is 0.
        """

        def part(a: slice, b: slice) -> Array:
            return _noisy(kernel, inputs.take(a), inputs.take(b), a.start)

        rows = Cholesky.of(len(inputs), part, kernel.signal**2)
        white, ones = rows.solve(np.stack((targets, np.ones_like(targets)), axis=1)).T
        mean = float(ones @ white) / (float(ones @ ones) + 1.0 / level**2) if level else 0.0
        weights = rows.solve_transposed((white - mean * ones)[:, None])[:, 0]
        return cls(kernel, inputs, rows, weights, mean)

    def pending(self, points: Inputs) -> Posterior:
        """The process when these points have been tried and their outcomes are not known yet."""
        if not len(points):
            return self
        across, _ = covariance(self.kernel, self.inputs, points)
        among = _noisy(self.kernel, points, points, 0)
        return replace(
            self,
            inputs=self.inputs.and_(points),
            rows=self.rows.bordered(across, among, self.kernel.signal**2),
            weights=np.concatenate((self.weights, np.zeros(len(points)))),
        )

    def predict(self, queries: Inputs) -> tuple[Array, Array]:
        """Mean and variance (q each) of the noiseless value at the queries."""
        across, _ = covariance(self.kernel, self.inputs, queries)
        return self.mean + self.weights @ across, self._left(self.rows.solve(across))

    def gradients(self, queries: Inputs) -> tuple[Array, Array, Array, Array]:
        """Mean and variance (q each), then their gradients by the coordinates (q x D each)."""
        across, through = covariance(self.kernel, self.inputs, queries)
        seen = self.rows.solve(across)
        solved = self.rows.solve_transposed(seen)
        mean_slope = self._slope(queries, through * self.weights[:, None])
        variance_slope = -2.0 * self._slope(queries, through * solved)
        return self.mean + self.weights @ across, self._left(seen), mean_slope, variance_slope

    def _left(self, seen: Array) -> Array:
        """The prior variance less what the rows explain of it; a last bit never makes it 0."""
        left = self.kernel.signal**2 - np.einsum("nq,nq->q", seen, seen)
        return np.asarray(np.maximum(left, 1e-12 * self.kernel.signal**2), dtype=np.float64)

    def _slope(self, queries: Inputs, factors: Array) -> Array:
        """sum_n factors_nq (x_nd - x_qd) / l_d^2, q x D."""
        pull = factors.T @ self.inputs.coordinates
        pull -= factors.sum(axis=0)[:, None] * queries.coordinates
        return np.asarray(pull / self.kernel.lengths**2)


def _noisy(kernel: Kernel, a: Inputs, b: Inputs, first: int) -> Array:
    """Covariances of observations (a x b), where b's rows from the `first` are those of a."""
    result, _ = covariance(kernel, a, b)
    result[np.arange(len(a)), first + np.arange(len(a))] += kernel.noise**2
    return result
