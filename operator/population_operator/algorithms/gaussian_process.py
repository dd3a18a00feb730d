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
numpy only: a triangular inverse by blocks takes the place of LAPACK's, which numpy does not offer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIX = 0.5
"""m of the mixed kernel: sum and product in equal parts, the default of arXiv 2106.15883."""

JITTER = 1e-10
"""Times s^2: the first addition to the diagonal where a factorisation fails, then tenfold."""

BLOCK = 32
"""Rows below which a triangular matrix is inverted directly."""


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

    `apart` is |i - j|; `agreement` is k_h, none where there are no categories.
    """

    apart: Array
    agreement: Array | None

    @classmethod
    def between(cls, a: Inputs, b: Inputs) -> Distances:
        """Between every point of a and every point of b."""
        apart = np.abs(a.intervals[:, None] - b.intervals[None, :])
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
    through = _squared(a.coordinates / kernel.lengths, b.coordinates / kernel.lengths)
    through *= -0.5
    through -= kernel.rate * known.apart
    np.exp(through, out=through)
    through *= kernel.signal**2
    if known.agreement is None:
        return through, through
    through *= (1.0 - MIX) / 2.0 + MIX * known.agreement
    alone = np.exp(-kernel.rate * known.apart) * known.agreement
    return through + kernel.signal**2 * (1.0 - MIX) / 2.0 * alone, through


def _squared(a: Array, b: Array) -> Array:
    """Squared Euclidean distances, a x b; never below zero."""
    squares: Array = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :]
    squares -= 2.0 * (a @ b.T)
    np.maximum(squares, 0.0, out=squares)
    return squares


def factor(matrix: Array, scale: float) -> Array:
    """The Cholesky factor of a covariance matrix, with as much jitter as it takes.

    Points that coincide make the matrix singular where there is no noise: the diagonal grows by
    `JITTER` x scale, then tenfold, until the factorisation succeeds.
    """
    jitter = 0.0
    while True:
        try:
            shifted = matrix + jitter * np.eye(len(matrix)) if jitter else matrix
            return np.asarray(np.linalg.cholesky(shifted), dtype=np.float64)
        except np.linalg.LinAlgError:
            jitter = max(10.0 * jitter, JITTER * scale)


def inverse_of_triangular(lower: Array) -> Array:
    """The inverse of a lower triangular matrix, by halves: products of blocks do the work."""
    size = len(lower)
    if size <= BLOCK:
        return np.tril(np.linalg.inv(lower))
    half = size // 2
    result = np.zeros_like(lower)
    result[:half, :half] = first = inverse_of_triangular(lower[:half, :half])
    result[half:, half:] = second = inverse_of_triangular(lower[half:, half:])
    result[half:, :half] = -second @ (lower[half:, :half] @ first)
    return result


def lower_times(lower: Array, right: Array) -> Array:
    """`lower @ right`, without the quarter of it that is zeros."""
    half = len(lower) // 2
    return np.concatenate((lower[:half, :half] @ right[:half], lower[half:] @ right))


def times_lower(left: Array, lower: Array) -> Array:
    """`left @ lower`, without the quarter of it that is zeros."""
    half = len(lower) // 2
    first, second = left @ lower[:, :half], left[:, half:] @ lower[half:, half:]
    return np.concatenate((first, second), axis=1)


@dataclass(frozen=True)
class Posterior:
    """A conditioned process: N rows, of which the pending ones have no label.

    `whitening` (N x N) is the inverse of the Cholesky factor of the rows' covariance with noise;
    `weights` (N) are that covariance's inverse times the targets, and 0 for pending rows, so that
    these act on the variance alone (Desautels et al., JMLR 15, 2014; arXiv 2002.02518, section 4).
    """

    kernel: Kernel
    inputs: Inputs
    whitening: Array
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
        rows, _ = covariance(kernel, inputs, inputs)
        rows[np.diag_indices_from(rows)] += kernel.noise**2
        whitening = inverse_of_triangular(factor(rows, kernel.signal**2))
        white, ones = whitening @ targets, whitening.sum(axis=1)
        mean = float(ones @ white) / (float(ones @ ones) + 1.0 / level**2) if level else 0.0
        return cls(kernel, inputs, whitening, whitening.T @ (white - mean * ones), mean)

    def pending(self, points: Inputs) -> Posterior:
        """The process when these points have been tried and their outcomes are not known yet."""
        if not len(points):
            return self
        old, new = len(self.inputs), len(points)
        across, _ = covariance(self.kernel, self.inputs, points)
        among, _ = covariance(self.kernel, points, points)
        among[np.diag_indices_from(among)] += self.kernel.noise**2
        seen = lower_times(self.whitening, across)
        corner = inverse_of_triangular(factor(among - seen.T @ seen, self.kernel.signal**2))
        whitening = np.zeros((old + new, old + new))
        whitening[:old, :old] = self.whitening
        whitening[old:, :old] = -corner @ times_lower(seen.T, self.whitening)
        whitening[old:, old:] = corner
        weights = np.concatenate((self.weights, np.zeros(new)))
        return replace(self, inputs=self.inputs.and_(points), whitening=whitening, weights=weights)

    def predict(self, queries: Inputs) -> tuple[Array, Array]:
        """Mean and variance (q each) of the noiseless value at the queries."""
        across, _ = covariance(self.kernel, queries, self.inputs)
        seen = lower_times(self.whitening, across.T)
        return self.mean + across @ self.weights, self._left(seen)

    def gradients(self, queries: Inputs) -> tuple[Array, Array, Array, Array]:
        """Mean and variance (q each), then their gradients by the coordinates (q x D each)."""
        across, through = covariance(self.kernel, queries, self.inputs)
        seen = lower_times(self.whitening, across.T)
        solved = times_lower(seen.T, self.whitening)
        mean_slope = self._slope(queries, through * self.weights)
        variance_slope = -2.0 * self._slope(queries, through * solved)
        return self.mean + across @ self.weights, self._left(seen), mean_slope, variance_slope

    def _left(self, seen: Array) -> Array:
        """The prior variance less what the rows explain of it; a last bit never makes it 0."""
        left = self.kernel.signal**2 - np.einsum("nq,nq->q", seen, seen)
        return np.asarray(np.maximum(left, 1e-12 * self.kernel.signal**2), dtype=np.float64)

    def _slope(self, queries: Inputs, factors: Array) -> Array:
        """sum_n factors_qn (x_nd - x_qd) / l_d^2, q x D."""
        pull = factors @ self.inputs.coordinates
        pull -= factors.sum(axis=1)[:, None] * queries.coordinates
        return np.asarray(pull / self.kernel.lengths**2)
