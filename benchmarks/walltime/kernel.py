"""A kernel machine in NumPy that learns to read digits: least squares on random features.

Rahimi and Recht's random Fourier features (NIPS 2007, algorithm 1) of the Gaussian kernel, and a
ridge regression of the ten classes on them, which is solved anew after each step. A step adds 4500
distorted examples to the normal equations, so that training goes on from a checkpoint.
The loss is the validation's mean squared error, lower is better.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.walltime.distort import examples
from benchmarks.walltime.network import Array, data, log

FEATURES = 1536


class Kernel:
    """The normal equations (`FEATURES` x `FEATURES`, and x 10) of the examples so far."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        _, _, unseen, _ = data()
        rng = np.random.default_rng(0)
        waves = rng.normal(size=(64, FEATURES)) / float(values["length"])
        self.waves = waves.astype(np.float32)
        self.phases = rng.uniform(0.0, 2.0 * np.pi, FEATURES).astype(np.float32)
        self.values, self.step, self.count = values, 0, 0
        self.products = np.zeros((FEATURES, FEATURES), np.float32)
        self.targets = np.zeros((FEATURES, 10), np.float32)
        self.unseen = self._features(unseen)

    def _features(self, inputs: Array) -> Array:
        return np.cos(inputs @ self.waves + self.phases) * np.float32(np.sqrt(2.0 / FEATURES))

    def train(self) -> float:
        """Train a step, log it, and return the validation loss."""
        began = time.time()
        inputs, labels = examples(self.values, np.random.default_rng(self.step))
        features, classes = self._features(inputs), np.eye(10, dtype=np.float32)
        self.products += features.T @ features
        self.targets += features.T @ classes[labels]
        self.count += len(inputs)
        self.step += 1
        outputs = self.unseen @ self._solved()
        loss = float(((outputs - classes[data()[3]]) ** 2).mean())
        log(began, self.step, loss, self.values)
        return loss

    def _solved(self) -> Array:
        """The weights (`FEATURES` x 10) with the least squares and the ridge's penalty."""
        rows = self.products.astype(np.float64) / self.count
        rows[np.diag_indices_from(rows)] += float(self.values["ridge"])
        return np.linalg.solve(rows, self.targets.astype(np.float64) / self.count)

    def save(self, folder: Path) -> None:
        np.savez(folder / "kernel.npz", self.products, self.targets, step=self.step,
                 count=self.count)  # fmt: skip

    def load(self, folder: Path, kind: str = "") -> None:
        with np.load(folder / "kernel.npz", allow_pickle=False) as found:
            self.products, self.targets = found["arr_0"], found["arr_1"]
            self.step, self.count = int(found["step"]), int(found["count"])
