"""The Gaussian process of FABOLAS over configurations and budgets (arXiv 1605.07079, section 4.1).

    k((x, s), (x', s')) = k_x(x, x') phi(s)' S phi(s')

k_x is Matern-5/2 with a length for each coordinate, S a covariance matrix (2 x 2), s in (0, 1] the
budget as a share of the full one. The loss has phi(s) = (1, (1 - s)^2)', so that it levels off at
s = 1; the logarithm of the cost has phi(s) = (1, s)'. Observations carry independent noise.

Shapes: n rows, q queries, D coordinates. theta are ln l_1 .. ln l_D, ln sqrt(S_11), ln sqrt(S_22),
the inverse hyperbolic tangent of their correlation, ln noise: D + 4 numbers, each with a normal
prior; their most probable values are used, as elsewhere here, where the paper averages over draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from population_operator.algorithms.cholesky import Array, factor, inverse_of_triangular
from population_operator.algorithms.gaussian_process_fit import maximise

Basis = Callable[[Array], Array]


def loss_basis(shares: Array) -> Array:
    """phi of the loss (n x 2)."""
    return np.stack((np.ones_like(shares), (1.0 - shares) ** 2), axis=1)


def cost_basis(shares: Array) -> Array:
    """phi of the logarithm of the cost (n x 2)."""
    return np.stack((np.ones_like(shares), shares), axis=1)


def matern(a: Array, b: Array, lengths: Array) -> Array:
    """Matern-5/2 correlations (a x b).

    >>> matern(np.zeros((1, 1)), np.array([[0.0], [1.0]]), np.ones(1)).round(4).tolist()
    [[1.0, 0.524]]
    """
    apart = (a[:, None, :] - b[None, :, :]) / lengths
    far = np.sqrt(5.0 * np.maximum((apart * apart).sum(axis=2), 0.0))
    return np.asarray((1.0 + far + far * far / 3.0) * np.exp(-far))


@dataclass(frozen=True)
class Process:
    """A process conditioned on n rows: coordinates (n x D), shares (n).

    `whitening` is the inverse of the Cholesky factor of the rows' covariance with noise, `white`
    (n) that times the targets.
    """

    theta: Array
    basis: Basis
    coordinates: Array
    shares: Array
    whitening: Array
    white: Array

    @classmethod
    def of(cls, basis: Basis, coordinates: Array, shares: Array, targets: Array) -> Process:
        """Fit the hyperparameters, and condition. Deterministic."""
        mean, deviation = _prior(coordinates.shape[1])

        def objective(theta: Array) -> tuple[float, Array]:
            value, slope = evidence(theta, basis, coordinates, shares, targets)
            away = (theta - mean) / deviation
            return value - 0.5 * float(away @ away), slope - away / deviation

        found, _ = maximise(objective, mean, np.diag(deviation**2))
        theta = np.round(found, 3)
        rows = _rows(theta, basis, coordinates, shares)
        whitening = inverse_of_triangular(factor(rows, 1.0))
        return cls(theta, basis, coordinates, shares, whitening, whitening @ targets)

    @property
    def noise(self) -> float:
        """The variance of an observation's noise."""
        return math.exp(2.0 * float(self.theta[-1]))

    def means(self, coordinates: Array, shares: Array) -> Array:
        """Means (q) of the noiseless values."""
        return self._seen(coordinates, shares).T @ self.white

    def predict(self, coordinates: Array, shares: Array) -> tuple[Array, Array]:
        """Means (q) and covariances (q x q) of the noiseless values."""
        seen = self._seen(coordinates, shares)
        prior = _kernel(self.theta, self.basis, coordinates, shares, coordinates, shares)
        return seen.T @ self.white, prior - seen.T @ seen

    def variances(self, coordinates: Array, shares: Array) -> Array:
        """The variances (q) of the noiseless values, at least 0."""
        seen, rows = self._seen(coordinates, shares), self.basis(shares)
        prior = np.einsum("qi,ij,qj->q", rows, _budget(self.theta), rows)
        return np.asarray(np.maximum(prior - (seen * seen).sum(axis=0), 0.0))

    def across(self, a: tuple[Array, Array], b: tuple[Array, Array]) -> Array:
        """Covariances between the values at a and at b, given the rows."""
        prior = _kernel(self.theta, self.basis, *a, *b)
        return prior - self._seen(*a).T @ self._seen(*b)

    def _seen(self, coordinates: Array, shares: Array) -> Array:
        known = (self.coordinates, self.shares)
        return self.whitening @ _kernel(self.theta, self.basis, *known, coordinates, shares)


def _kernel(theta: Array, basis: Basis, a: Array, s: Array, b: Array, t: Array) -> Array:
    return np.asarray(matern(a, b, np.exp(theta[:-4])) * (basis(s) @ _budget(theta) @ basis(t).T))


def _budget(theta: Array) -> Array:
    """S (2 x 2)."""
    first, second, correlation = math.exp(theta[-4]), math.exp(theta[-3]), math.tanh(theta[-2])
    both = correlation * first * second
    return np.array([[first**2, both], [both, second**2]])


def _rows(theta: Array, basis: Basis, coordinates: Array, shares: Array) -> Array:
    rows = _kernel(theta, basis, coordinates, shares, coordinates, shares)
    rows[np.diag_indices_from(rows)] += math.exp(2.0 * theta[-1])
    return rows


def evidence(
    theta: Array, basis: Basis, coordinates: Array, shares: Array, targets: Array
) -> tuple[float, Array]:
    """ln p(y | theta) up to a constant, and its slope (Rasmussen and Williams, 2006, 2.30, 5.9)."""
    white = inverse_of_triangular(factor(_rows(theta, basis, coordinates, shares), 1.0))
    weights = white.T @ (white @ targets)
    value = -0.5 * float(targets @ weights) + float(np.log(np.diag(white)).sum())
    against = 0.5 * (np.outer(weights, weights) - white.T @ white)

    lengths, rows = np.exp(theta[:-4]), basis(shares)
    apart = (coordinates[:, None, :] - coordinates[None, :, :]) / lengths
    squares = apart * apart
    far = np.sqrt(5.0 * squares.sum(axis=2))
    decay = np.exp(-far)
    alike, over = (1.0 + far + far * far / 3.0) * decay, rows @ _budget(theta) @ rows.T
    by_length = np.einsum("ab,abd->d", against * over * (5.0 / 3.0) * (1.0 + far) * decay, squares)
    budget = rows.T @ (against * alike) @ rows  # The slope by the entries of S.
    first, second, correlation = math.exp(theta[-4]), math.exp(theta[-3]), math.tanh(theta[-2])
    both = 2.0 * float(budget[0, 1]) * first * second
    slope = [
        *by_length,
        2.0 * float(budget[0, 0]) * first**2 + both * correlation,
        2.0 * float(budget[1, 1]) * second**2 + both * correlation,
        both * (1.0 - correlation**2),
        2.0 * float(np.trace(against)) * math.exp(2.0 * float(theta[-1])),
    ]
    return value, np.array(slope)


def _prior(columns: int) -> tuple[Array, Array]:
    """Means and standard deviations of theta (D + 4 each)."""
    own = math.log(0.5 * math.sqrt(max(columns, 1)))
    means = [*[own] * columns, 0.0, 0.0, 0.0, math.log(0.05)]
    return np.array(means), np.array([*[0.8] * columns, 0.5, 1.0, 1.0, 1.5])
