"""Triangular systems by blocks, against numpy's dense ones."""

from __future__ import annotations

import numpy as np
import pytest

from population_operator.algorithms.cholesky import (
    BLOCK,
    Array,
    Cholesky,
    factor,
    inverse_of_triangular,
)


def a_covariance(size: int) -> Array:
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size))
    return np.asarray(root @ root.T / size + np.eye(size))


@pytest.mark.parametrize("size", [1, 31, 32, 33, 64, 65, 200])
def test_the_triangular_inverse_is_one(size: int) -> None:
    lower = factor(a_covariance(size), 1.0)
    inverse = inverse_of_triangular(lower)
    assert inverse @ lower == pytest.approx(np.eye(size), abs=1e-8)
    assert (np.triu(inverse, 1) == 0.0).all()


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 200])
def test_it_solves_what_numpys_factor_solves(size: int) -> None:
    matrix, right = a_covariance(size), np.random.default_rng(0).normal(size=(size, 3))
    given, lower = right.copy(), np.linalg.cholesky(matrix)
    ours = Cholesky.of(size, lambda a, b: matrix[a, b], 1.0)
    assert ours.solve(right) == pytest.approx(np.linalg.solve(lower, right), abs=1e-9)
    assert ours.solve_transposed(right) == pytest.approx(np.linalg.solve(lower.T, right), abs=1e-9)
    assert (right == given).all()


@pytest.mark.parametrize(("old", "new"), [(1, 1), (BLOCK, 7), (150, 70)])
def test_it_grows_to_the_factor_of_the_whole(old: int, new: int) -> None:
    matrix = a_covariance(old + new)
    first = Cholesky.of(old, lambda a, b: matrix[a, b], 1.0)
    grown = first.bordered(matrix[:old, old:], matrix[old:, old:], 1.0)
    right = np.eye(old + new)
    assert grown.solve(right) == pytest.approx(np.linalg.inv(np.linalg.cholesky(matrix)), abs=1e-9)
    assert first.solve(right[:old]).shape == (old, old + new)


def test_only_the_lower_triangle_is_asked_for() -> None:
    matrix = a_covariance(200)
    hidden = np.where(np.tri(200, k=BLOCK) > 0, matrix, np.nan)
    right = np.ones((200, 1))
    ours = Cholesky.of(200, lambda a, b: hidden[a, b], 1.0)
    assert np.isfinite(ours.solve(right)).all()


@pytest.mark.parametrize("size", [5, BLOCK + 5, 3 * BLOCK])
def test_a_singular_matrix_gets_as_much_jitter_as_it_takes(size: int) -> None:
    ours = Cholesky.of(size, lambda a, b: np.ones((size, size))[a, b], 1.0)
    solved = ours.solve_transposed(ours.solve(np.ones((size, 1))))
    assert solved.sum() == pytest.approx(1.0, abs=1e-3)
