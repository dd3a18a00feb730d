"""Cholesky factors that grow by blocks, and cannot fail. numpy only: it offers no triangular solve.

The factor L of a covariance matrix is kept as rows of blocks. A new one is the old one's answer to
a triangular system (the bordering method, Golub and Van Loan, Matrix Computations, section 4.2):

    A = [[L L', B], [B', C]]   =>   the new rows are [X', R]   with L X = B, R R' = C - X' X

so that conditioning a Gaussian process on more points, all of them or a few, is one operation.
The inverse of L is never formed: the inverses of its small diagonal blocks do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

JITTER = 1e-10
"""Times the scale: the first addition to the diagonal where a factorisation fails, then tenfold."""

SMALL = 32
"""Rows below which a triangular matrix is inverted directly."""

BLOCK = 64
"""Rows of a block: larger ones cost more to invert, smaller ones more calls."""

_LOWER = np.tri(SMALL)


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
    if size <= SMALL:
        return np.asarray(np.linalg.inv(lower) * _LOWER[:size, :size], dtype=np.float64)
    half = size // 2
    result = np.zeros_like(lower)
    result[:half, :half] = first = inverse_of_triangular(lower[:half, :half])
    result[half:, half:] = second = inverse_of_triangular(lower[half:, half:])
    result[half:, :half] = -second @ (lower[half:, :half] @ first)
    return result


@dataclass(frozen=True)
class Cholesky:
    """A lower triangular L (N x N), as rows of blocks.

    `rows` holds, for each block of b rows that begins at row i, what stands left of the diagonal
    (b x i) and the inverse of the diagonal block (b x b).
    """

    rows: tuple[tuple[Array, Array], ...] = ()

    @classmethod
    def of(cls, size: int, columns: Callable[[slice, slice], Array], scale: float) -> Cholesky:
        """The factor of a symmetric matrix of which `columns` gives any part.

        Only the lower triangle is asked for, a row of blocks at a time. O(size^3 / 3).
        """
        grown = cls()
        for begin in range(0, size, BLOCK):
            block = slice(begin, min(begin + BLOCK, size))
            part = columns(block, slice(0, block.stop))
            grown = grown.bordered(part[:, :begin].T, part[:, begin:], scale)
        return grown

    def bordered(self, across: Array, among: Array, scale: float) -> Cholesky:
        """The factor when the matrix grows by b rows.

        Args:
          across: old rows by new ones (N x b).
          among: the new rows' own block (b x b).
          scale: of the jitter, see `factor`.
        """
        seen = self.solve(across)
        corner = inverse_of_triangular(factor(among - seen.T @ seen, scale))
        return Cholesky((*self.rows, (np.ascontiguousarray(seen.T), corner)))

    def solve(self, right: Array) -> Array:
        """X with L X = right (N x q)."""
        found, begin = np.empty(right.shape), 0
        for left, inverse in self.rows:
            end = begin + len(inverse)
            found[begin:end] = inverse @ (right[begin:end] - left @ found[:begin])
            begin = end
        return found

    def solve_transposed(self, right: Array) -> Array:
        """X with L' X = right (N x q)."""
        found, end = right.copy(), len(right)
        for left, inverse in reversed(self.rows):
            begin = end - len(inverse)
            found[begin:end] = inverse.T @ found[begin:end]
            found[:begin] -= left.T @ found[begin:end]
            end = begin
        return found
