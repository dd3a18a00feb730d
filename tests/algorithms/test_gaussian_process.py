"""The Gaussian process: gradients against differences, the posterior against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel
from sklearn.gaussian_process.kernels import Kernel as SklearnKernel

from population_operator.algorithms import gaussian_process_fit as fitting
from population_operator.algorithms.cholesky import Array
from population_operator.algorithms.gaussian_process import (
    Distances,
    Inputs,
    Kernel,
    Posterior,
    covariance,
)

seeds = st.integers(0, 2**32 - 1)


def some_inputs(rng: np.random.Generator, n: int, columns: int = 3, categories: int = 0) -> Inputs:
    return Inputs(
        rng.random((n, columns)),
        rng.integers(0, 3, (n, categories)),
        rng.integers(1, 12, n).astype(float),
    )


def a_kernel(rng: np.random.Generator, columns: int = 3) -> Kernel:
    return Kernel(
        signal=float(rng.uniform(0.5, 2.0)),
        lengths=rng.uniform(0.3, 1.5, columns),
        rate=float(rng.uniform(0.01, 0.3)),
        noise=float(rng.uniform(0.1, 0.5)),
    )


class EqualKernel(SklearnKernel):  # type: ignore[misc]
    """The definition in the module's docstring, written out once more, for scikit-learn.

    Columns of X: D coordinates, C categories, the interval.
    """

    def __init__(self, signal: float, lengths: Array, w: float, categories: int) -> None:
        self.signal, self.lengths, self.w, self.categories = signal, lengths, w, categories

    def __call__(self, X, Y=None, eval_gradient=False):  # type: ignore[no-untyped-def]
        Y = X if Y is None else Y
        return np.array([[self._k(a, b) for b in Y] for a in X])

    def _k(self, a: Array, b: Array) -> float:
        d = len(self.lengths)
        k_x = math.exp(-0.5 * sum(((a[i] - b[i]) / self.lengths[i]) ** 2 for i in range(d)))
        k_t = (1.0 - self.w) ** (abs(a[-1] - b[-1]) / 2.0)
        if not self.categories:
            return float(self.signal**2 * k_t * k_x)
        k_h = sum(a[d + c] == b[d + c] for c in range(self.categories)) / self.categories
        return float(self.signal**2 * k_t * (0.25 * (k_h + k_x) + 0.5 * k_h * k_x))

    def diag(self, X: Array) -> Array:
        return np.full(len(X), self.signal**2)

    def is_stationary(self) -> bool:
        return False


def columns(inputs: Inputs) -> Array:
    return np.hstack((inputs.coordinates, inputs.categories, inputs.intervals[:, None]))


# --- against other people's mathematics ----------------------------------------------------------


@pytest.mark.parametrize("categories", [0, 1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_the_posterior_is_scikit_learns(categories: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, queries = some_inputs(rng, 90, 3, categories), some_inputs(rng, 25, 3, categories)
    kernel, targets = a_kernel(rng), rng.normal(size=90)
    theirs = GaussianProcessRegressor(
        EqualKernel(kernel.signal, kernel.lengths, kernel.forgetting, categories),
        alpha=kernel.noise**2,
        optimizer=None,
    ).fit(columns(inputs), targets)
    mean, deviation = theirs.predict(columns(queries), return_std=True)
    ours_mean, ours_variance = Posterior.of(kernel, inputs, targets).predict(queries)
    assert ours_mean == pytest.approx(mean, rel=1e-6, abs=1e-9)
    assert ours_variance == pytest.approx(deviation**2, rel=1e-6, abs=1e-9)
    likelihood, _ = fitting.Evidence.of(inputs, targets)(kernel.theta)
    assert likelihood == pytest.approx(theirs.log_marginal_likelihood_value_, rel=1e-9)


@pytest.mark.parametrize("level", [0.3, 2.0])
def test_the_most_probable_mean_is_a_constant_part_of_scikit_learns_kernel(level: float) -> None:
    rng = np.random.default_rng(7)
    inputs, queries, kernel = some_inputs(rng, 60), some_inputs(rng, 25), a_kernel(rng)
    targets = 3.0 + rng.normal(size=60)
    constant = ConstantKernel(level**2)
    theirs = GaussianProcessRegressor(
        constant + EqualKernel(kernel.signal, kernel.lengths, kernel.forgetting, 0),
        alpha=kernel.noise**2,
        optimizer=None,
    ).fit(columns(inputs), targets)
    ours = Posterior.of(kernel, inputs, targets, level=level).pending(some_inputs(rng, 4))
    expected = pytest.approx(theirs.predict(columns(queries)), rel=1e-6, abs=1e-9)
    assert ours.predict(queries)[0] == expected
    assert ours.gradients(queries)[0] == expected
    assert ours.mean == pytest.approx(3.0 if level > 1 else 1.5, abs=1.5)
    assert Posterior.of(kernel, inputs, targets).mean == 0.0


@pytest.mark.parametrize("categories", [0, 2])
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_likelihoods_gradient_is_that_of_its_differences(categories: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, targets = some_inputs(rng, 30, 4, categories), rng.normal(size=30)
    evidence = fitting.Evidence.of(inputs, targets)
    theta = a_kernel(rng, 4).theta
    _, gradient = evidence(theta)
    assert gradient == pytest.approx(
        _differences(lambda at: evidence(at)[0], theta), **_near(gradient)
    )


@pytest.mark.parametrize("categories", [0, 2])
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_posteriors_gradients_are_those_of_its_differences(categories: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, targets = some_inputs(rng, 30, 3, categories), rng.normal(size=30)
    process = Posterior.of(a_kernel(rng), inputs, targets).pending(
        some_inputs(rng, 4, 3, categories)
    )
    query = some_inputs(rng, 1, 3, categories)

    def at(coordinates: Array) -> tuple[float, float]:
        point = Inputs(coordinates[None, :], query.categories, query.intervals)
        mean, variance = process.predict(point)
        return float(mean[0]), float(variance[0])

    _, _, mean_slope, variance_slope = process.gradients(query)
    start = query.coordinates[0]
    for which, slope in ((0, mean_slope[0]), (1, variance_slope[0])):
        numeric = _differences(lambda x, which=which: at(x)[which], start)  # type: ignore[misc]
        assert slope == pytest.approx(numeric, **_near(slope))


def _differences(function, at: Array, step: float = 1e-4) -> Array:  # type: ignore[no-untyped-def]
    """Central differences of fourth order: their own error is below 1e-9 here."""
    slopes = []
    for direction in np.eye(len(at)) * step:
        near = function(at + direction) - function(at - direction)
        far = function(at + 2 * direction) - function(at - 2 * direction)
        slopes.append((8 * near - far) / (12 * step))
    return np.array(slopes)


def _near(gradient: Array) -> dict[str, float]:
    """1e-6 of the gradient's largest component."""
    return {"rel": 1e-6, "abs": 1e-6 * max(float(np.abs(gradient).max()), 1e-3)}


@pytest.mark.parametrize("categories", [0, 2])
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_the_information_is_the_gradients_covariance(categories: int, seed: int) -> None:
    """Over targets that the process draws: 1/2 tr(K^-1 dK_a K^-1 dK_b), by differences of K."""
    rng = np.random.default_rng(seed)
    inputs, kernel = some_inputs(rng, 12, 2, categories), a_kernel(rng, 2)
    theta, step = kernel.theta, 1e-5

    def noisy(at: Array) -> Array:
        there = Kernel.of(at)
        return covariance(there, inputs, inputs)[0] + there.noise**2 * np.eye(12)

    inverse = np.linalg.inv(noisy(theta))
    slopes = [
        inverse @ (noisy(theta + way) - noisy(theta - way)) / (2 * step)
        for way in np.eye(len(theta)) * step
    ]
    expected = [[0.5 * np.trace(a @ b) for b in slopes] for a in slopes]
    found = fitting.Evidence.of(inputs, np.zeros(12)).information(theta)
    assert found == pytest.approx(np.array(expected), rel=1e-6, abs=1e-6)


# --- what must hold ------------------------------------------------------------------------------


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, targets, kernel = some_inputs(rng, 40, 3, 1), rng.normal(size=40), a_kernel(rng)
    queries, order = some_inputs(rng, 9, 3, 1), rng.permutation(40)
    one = Posterior.of(kernel, inputs, targets).predict(queries)
    other = Posterior.of(kernel, inputs.take(order), targets[order]).predict(queries)
    assert one[0] == pytest.approx(other[0], abs=1e-9)
    assert one[1] == pytest.approx(other[1], abs=1e-9)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_a_pending_row_lowers_the_variance_and_leaves_the_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, targets, kernel = some_inputs(rng, 20), rng.normal(size=20), a_kernel(rng)
    pending, queries = some_inputs(rng, 3), some_inputs(rng, 15)
    before = Posterior.of(kernel, inputs, targets)
    mean, variance = before.pending(pending).predict(queries)
    assert mean == pytest.approx(before.predict(queries)[0], abs=1e-9)
    assert (variance <= before.predict(queries)[1] + 1e-9).all()
    labelled = Posterior.of(
        kernel, inputs.and_(pending), np.concatenate((targets, [9.0, -9.0, 1.0]))
    )
    assert variance == pytest.approx(labelled.predict(queries)[1], abs=1e-9)
    assert before.pending(pending.take(slice(0, 0))) is before


def test_points_that_coincide_are_no_obstacle() -> None:
    rng = np.random.default_rng(0)
    one = some_inputs(rng, 1)
    inputs = one.take(np.zeros(80, dtype=np.int64))
    kernel = Kernel(1.0, np.array([0.5, 0.5, 0.5]), 0.05, noise=1e-12)
    mean, variance = Posterior.of(kernel, inputs, np.full(80, 2.0)).predict(one)
    assert mean[0] == pytest.approx(2.0, abs=1e-3)
    assert 0.0 < variance[0] < 1e-3
    value, gradient = fitting.Evidence.of(inputs, np.full(80, 2.0))(kernel.theta)
    assert math.isfinite(value)
    assert np.isfinite(gradient).all()


def test_the_kernel_forgets_by_intervals() -> None:
    kernel = Kernel(1.0, np.array([1.0]), rate=-0.5 * math.log(1 - 0.19), noise=0.1)
    assert kernel.forgetting == pytest.approx(0.19)
    point = np.zeros((1, 1)), np.zeros((1, 0), dtype=np.int64)
    now, later = Inputs(*point, np.array([3.0])), Inputs(*point, np.array([5.0]))
    assert covariance(kernel, now, later)[0][0, 0] == pytest.approx(0.81)
    assert Distances.between(now, later).agreement is None
    assert Kernel.of(kernel.theta).theta == pytest.approx(kernel.theta)


# --- the fit -------------------------------------------------------------------------------------


def test_the_fit_finds_what_matters_and_what_does_not() -> None:
    rng = np.random.default_rng(3)
    inputs = some_inputs(rng, 150, 4)
    targets = np.sin(6.0 * inputs.coordinates[:, 0]) + 0.1 * rng.normal(size=150)
    kernel = fitting.fit(inputs, targets, fitting.Prior.over(3))
    assert kernel.lengths[0] < 0.5
    assert (kernel.lengths[1:] > 2 * kernel.lengths[0]).all()
    assert 0.05 < kernel.noise < 0.2
    assert kernel.forgetting < 0.05
    assert (
        fitting.fit(inputs, targets, fitting.Prior.over(3)).theta.tolist() == kernel.theta.tolist()
    )


def test_the_fit_is_not_worse_than_its_start_and_is_rounded() -> None:
    rng = np.random.default_rng(5)
    inputs, targets = some_inputs(rng, 40, 3, 1), rng.normal(size=40)
    prior = fitting.Prior.over(2)
    evidence = fitting.Evidence.of(inputs, targets)
    kernel = fitting.fit(inputs, targets, prior)

    def posterior(theta: Array) -> float:
        return evidence(theta)[0] + prior.density(theta)[0]

    assert posterior(kernel.theta) >= posterior(prior.mean)
    cells = kernel.theta / fitting.ROUNDING
    assert cells == pytest.approx(np.round(cells), abs=1e-6)


@given(seed=seeds, n=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_the_fit_takes_whatever_there_is(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = some_inputs(rng, n).take(rng.integers(0, n, n))
    targets = rng.choice([0.0, 4.0, -4.0], n)
    kernel = fitting.fit(inputs, targets, fitting.Prior.over(2))
    assert np.isfinite(kernel.theta).all()
    assert 0.0 <= kernel.forgetting < 1.0
