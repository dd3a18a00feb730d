"""A network in NumPy that learns to read digits: two hidden layers of 256, dropout, SGD.

scikit-learn's digits, 900 of them to train; the other 897 validate. The loss is the validation
cross-entropy, lower is better. A step is `EPOCHS` epochs of 4500 examples.
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

EPOCHS = 4
COPIES = 5
"""How often an epoch has each of the 900 examples."""
WIDTH = 256
LOG = "WALLTIME_LOG"
"""The environment's variable with the folder for the logs of steps."""

Array = Any


@lru_cache(maxsize=1)
def data() -> tuple[Array, Array, Array, Array]:
    """Inputs (n x 64) and labels (n) to train with, and to validate with."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 16.0).astype(np.float32), labels[order]
    return images[:900], labels[:900], images[900:], labels[900:]


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

    def examples(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """An epoch's inputs (4500 x 64) and labels (4500)."""
        raise NotImplementedError

    def judged(self) -> list[Array]:
        """The weights that the loss is of."""
        return self.weights

    def updated(self) -> None:
        """Called after each update of the weights."""

    def train(self) -> float:
        """Train a step, log it, and return the validation loss; NaN where it diverged."""
        began = time.time()
        size = int(self.values["batch_size"])
        with np.errstate(all="ignore"):
            for epoch in range(EPOCHS):
                rng = np.random.default_rng((self.step, epoch))
                inputs, labels = self.examples(rng)
                order = rng.permutation(len(inputs))
                for first in range(0, len(order), size):
                    rows = order[first : first + size]
                    self._update(inputs[rows], labels[rows], rng)
                    self.updated()
            loss = self.loss()
        self.step += 1
        log(began, self.step, loss, self.values)
        return loss

    def loss(self) -> float:
        """The validation cross-entropy."""
        _, _, inputs, labels = data()
        weights = self.judged()
        for place in (0, 2):
            inputs = np.maximum(inputs @ weights[place] + weights[place + 1], 0.0)
        outputs = (inputs @ weights[4] + weights[5]).astype(np.float64)
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

    def apply(self, values: Mapping[str, Any]) -> None:
        """Train on with other hyperparameters."""
        self.values = values

    def arrays(self) -> list[Array]:
        """All that a checkpoint holds beside the step, in the order that `restore` takes."""
        return [*self.weights, *self.velocities]

    def restore(self, arrays: list[Array]) -> None:
        count = len(self.weights)
        self.weights, self.velocities = arrays[:count], arrays[count : 2 * count]

    def save(self, folder: Path) -> None:
        np.savez(folder / "network.npz", *self.arrays(), step=self.step)

    def load(self, folder: Path, kind: str = "") -> None:
        with np.load(folder / "network.npz", allow_pickle=False) as found:
            self.step = int(found["step"])
            self.restore([found[f"arr_{place}"] for place in range(len(self.arrays()))])


def log(began: float, step: int, loss: float, values: Mapping[str, Any]) -> None:
    """Write a line for a step that ended just now, where a folder is given."""
    line = {"began": began, "ended": time.time(), "step": step, "loss": loss, "values": {**values}}
    if LOG in os.environ:
        with (Path(os.environ[LOG]) / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
