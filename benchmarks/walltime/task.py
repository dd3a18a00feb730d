"""The training that every optimiser is given: a network in NumPy that learns to read digits.

scikit-learn's digits, 900 of them to train, each also shifted by a pixel in four directions; the
other 897 validate. Two hidden layers of 256, dropout, SGD with momentum and weight decay. A step is
`EPOCHS` epochs, 0.15 to 0.5 s of a core; rungs end at 1, 3, 9 and 27 steps. The loss is the
validation cross-entropy, lower is better.

The peers' interpreter reads this, too: it imports nothing of the operator.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

STEPS, ETA, EPOCHS = 27, 3, 4
WIDTH = 256
LOG = "WALLTIME_LOG"
"""The environment's variable with the folder for the logs of steps."""
SPACE: Mapping[str, tuple[float, float, str]] = {
    "lr": (1e-4, 1.0, "log"),
    "momentum": (0.0, 0.99, "linear"),
    "batch_size": (16, 256, "whole"),
    "decay": (1e-6, 0.1, "log"),
    "dropout": (0.0, 0.7, "linear"),
}
"""Low, high, and scale; `whole` numbers are drawn on a log scale."""

Array = Any


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """A random configuration."""
    found: dict[str, Any] = {}
    for name, (low, high, scale) in SPACE.items():
        unit = float(rng.random())
        value = low + unit * (high - low) if scale == "linear" else low * (high / low) ** unit
        found[name] = round(value) if scale == "whole" else value
    return found


@lru_cache(maxsize=1)
def data() -> tuple[Array, Array, Array, Array]:
    """Inputs (n x 64) and labels (n) to train with, and to validate with."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 16.0).astype(np.float32), labels[order]
    squares = images[:900].reshape(-1, 8, 8)
    shifted = [squares, *(np.roll(squares, by, axis) for axis in (1, 2) for by in (1, -1))]
    for place, (axis, edge) in enumerate(((1, 0), (1, -1), (2, 0), (2, -1)), start=1):
        np.moveaxis(shifted[place], axis, 0)[edge] = 0.0  # What came around the border.
    inputs = np.concatenate(shifted).reshape(-1, 64)
    return inputs, np.tile(labels[:900], 5), images[900:], labels[900:]


class Network:
    """The weights and their velocities; `step` says how far they are trained."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        data()  # Its first call imports scikit-learn, which is no part of a step.
        rng = np.random.default_rng(0)
        sizes = (64, WIDTH, WIDTH, 10)
        self.values, self.step = values, 0
        self.weights: list[Array] = []
        for before, after in itertools.pairwise(sizes):
            scale = math.sqrt(2.0 / before)
            self.weights.append((rng.normal(size=(before, after)) * scale).astype(np.float32))
            self.weights.append(np.zeros(after, np.float32))
        self.velocities = [np.zeros_like(weight) for weight in self.weights]

    def train(self) -> float:
        """Train a step, log it, and return the validation loss; NaN where it diverged."""
        began = time.time()
        inputs, labels, _, _ = data()
        size = int(self.values["batch_size"])
        with np.errstate(all="ignore"):
            for epoch in range(EPOCHS):
                rng = np.random.default_rng((self.step, epoch))
                order = rng.permutation(len(inputs))
                for first in range(0, len(order), size):
                    rows = order[first : first + size]
                    self._update(inputs[rows], labels[rows], rng)
            loss = self.loss()
        self.step += 1
        _log({"began": began, "ended": time.time(), "step": self.step, "loss": loss,
              "values": dict(self.values)})  # fmt: skip
        return loss

    def loss(self) -> float:
        """The validation cross-entropy."""
        _, _, inputs, labels = data()
        for place in (0, 2):
            inputs = np.maximum(inputs @ self.weights[place] + self.weights[place + 1], 0.0)
        outputs = (inputs @ self.weights[4] + self.weights[5]).astype(np.float64)
        outputs -= outputs.max(axis=1, keepdims=True)
        likely = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
        return float(-likely[np.arange(len(labels)), labels].mean())

    def _update(self, inputs: Array, labels: Array, rng: np.random.Generator) -> None:
        kept = np.float32(1.0 - float(self.values["dropout"]))
        layers, masks = [inputs], []
        for place in (0, 2):
            hidden = layers[-1] @ self.weights[place] + self.weights[place + 1]
            mask = (hidden > 0.0) * (rng.random(hidden.shape, np.float32) < kept) / kept
            masks.append(mask)
            layers.append(hidden * mask)
        outputs = layers[-1] @ self.weights[4] + self.weights[5]
        outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        slope = outputs / outputs.sum(axis=1, keepdims=True)
        slope[np.arange(len(labels)), labels] -= 1.0
        slope /= np.float32(len(labels))
        for place in (4, 2, 0):
            by_weight, by_bias = layers[place // 2].T @ slope, slope.sum(axis=0)
            if place:
                slope = (slope @ self.weights[place].T) * masks[place // 2 - 1]
            self._descend(place, by_weight + np.float32(self.values["decay"]) * self.weights[place])
            self._descend(place + 1, by_bias)

    def _descend(self, place: int, slope: Array) -> None:
        rate, momentum = np.float32(self.values["lr"]), np.float32(self.values["momentum"])
        self.velocities[place] = momentum * self.velocities[place] - rate * slope
        self.weights[place] += self.velocities[place]

    def save(self, folder: Path) -> None:
        np.savez(folder / "network.npz", *self.weights, *self.velocities, step=self.step)

    def load(self, folder: Path, kind: str = "") -> None:
        with np.load(folder / "network.npz", allow_pickle=False) as found:
            arrays = [found[f"arr_{i}"] for i in range(2 * len(self.weights))]
            self.step = int(found["step"])
        self.weights, self.velocities = arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :]


def _log(line: dict[str, Any]) -> None:
    """One line for each step of this process, where a folder is given."""
    if LOG in os.environ:
        with (Path(os.environ[LOG]) / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
