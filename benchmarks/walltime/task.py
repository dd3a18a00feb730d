"""The two tasks that every optimiser is given, of the same network (`network.py`).

`few` has the five hyperparameters of SGD and the digits as they are, each also shifted by a pixel
in four directions: every 32nd random configuration is good enough, so to find one is mostly luck.
`many` has ten: random distortions of the examples, their sizes to be chosen, and averaged weights,
too. The best of 64 random configurations ends at twice the loss of what a person writes down.

A step takes 0.15 to 0.7 s of a core; rungs end at 1, 3, 9 and 27 steps.

The peers' interpreter reads this, too: it imports nothing of the operator.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.walltime.network import COPIES, Array, Network, data

STEPS, ETA = 27, 3
POPULATION = 16
"""Members of PBT."""
TASK = "WALLTIME_TASK"
"""The environment's variable with the name of the task."""
Space = Mapping[str, tuple[float, float, str]]
"""Low, high, and scale; `whole` numbers are drawn on a log scale."""


@lru_cache(maxsize=1)
def shifted() -> tuple[Array, Array]:
    """The examples to train with (4500 x 64), each also shifted in four directions."""
    images, labels, _, _ = data()
    squares = images.reshape(-1, 8, 8)
    moved = [squares, *(np.roll(squares, by, axis) for axis in (1, 2) for by in (1, -1))]
    for place, (axis, edge) in enumerate(((1, 0), (1, -1), (2, 0), (2, -1)), start=1):
        np.moveaxis(moved[place], axis, 0)[edge] = 0.0  # What came around the border.
    return np.concatenate(moved).reshape(-1, 64), np.tile(labels, COPIES)


class Few(Network):
    def examples(self, rng: np.random.Generator) -> tuple[Array, Array]:
        return shifted()


class Many(Network):
    """Each epoch distorts the examples anew; the loss is of the weights' moving average."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.averages = [weight.copy() for weight in self.weights]
        self.updates = 0

    def examples(self, rng: np.random.Generator) -> tuple[Array, Array]:
        images, labels, _, _ = data()
        images = np.tile(images, (COPIES, 1)).reshape(-1, 8, 8)
        found = distorted(images, self.values, rng).reshape(-1, 64)
        found += float(self.values["noise"]) * rng.normal(size=found.shape).astype(np.float32)
        return found, np.tile(labels, COPIES)

    def judged(self) -> list[Array]:
        return self.averages

    def updated(self) -> None:
        self.updates += 1
        # Young averages follow quickly: the first weights are of no use to anybody.
        fresh = np.float32(max(float(self.values["fresh"]), 1.0 / self.updates))
        for average, weight in zip(self.averages, self.weights, strict=True):
            average += fresh * (weight - average)

    def arrays(self) -> list[Array]:
        return [*super().arrays(), *self.averages, np.array(self.updates)]

    def restore(self, arrays: list[Array]) -> None:
        super().restore(arrays)
        self.averages, self.updates = arrays[2 * len(self.weights) : -1], int(arrays[-1])


def distorted(images: Array, sizes: Mapping[str, Any], rng: np.random.Generator) -> Array:
    """Images (n x 8 x 8), each rotated, stretched and moved by chance, read bilinearly.

    `sizes` are standard deviations: `rotate` in degrees, `stretch` as a logarithm, `shift` in
    pixels. Outside of an image it is black.
    """
    count = len(images)
    angle = np.deg2rad(float(sizes["rotate"]) * rng.normal(size=(count, 1)))
    stretch = np.exp(float(sizes["stretch"]) * rng.normal(size=(2, count)))
    move = float(sizes["shift"]) * rng.normal(size=(2, count))
    down, right = (grid.reshape(1, 64) - 3.5 for grid in np.mgrid[0:8, 0:8].astype(np.float64))
    a, b = np.cos(angle), np.sin(angle)
    y = (a * down - b * right) * stretch[0][:, None] + move[0][:, None] + 3.5
    x = (b * down + a * right) * stretch[1][:, None] + move[1][:, None] + 3.5
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    y, x = np.clip(y + 1.0, 0.0, 8.999), np.clip(x + 1.0, 0.0, 8.999)
    top, left = y.astype(int), x.astype(int)
    low, far = y - top, x - left
    each = np.arange(count)[:, None]
    return (
        padded[each, top, left] * (1 - low) * (1 - far)
        + padded[each, top, left + 1] * (1 - low) * far
        + padded[each, top + 1, left] * low * (1 - far)
        + padded[each, top + 1, left + 1] * low * far
    ).astype(np.float32)


@dataclass(frozen=True)
class Task:
    """`target` is the loss to reach and `limit` the seconds after which a search is given up.

    `by_hand` is a configuration that a person would write down.
    """

    network: type[Network]
    space: Space
    limit: float
    target: float
    by_hand: Mapping[str, Any]

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """A random configuration."""
        found: dict[str, Any] = {}
        for name, (low, high, scale) in self.space.items():
            unit = float(rng.random())
            value = low + unit * (high - low) if scale == "linear" else low * (high / low) ** unit
            found[name] = round(value) if scale == "whole" else value
        return found


SGD: Space = {
    "lr": (1e-4, 1.0, "log"),
    "momentum": (0.0, 0.99, "linear"),
    "batch_size": (16, 256, "whole"),
    "decay": (1e-6, 0.1, "log"),
    "dropout": (0.0, 0.7, "linear"),
}
SIZES: Space = {
    "rotate": (0.0, 45.0, "linear"),
    "stretch": (0.0, 0.5, "linear"),
    "shift": (0.0, 3.0, "linear"),
    "noise": (0.0, 1.0, "linear"),
    "fresh": (1e-4, 1.0, "log"),
}
SGD_BY_HAND = {"lr": 0.1, "momentum": 0.9, "batch_size": 64, "decay": 1e-4, "dropout": 0.2}
SIZES_BY_HAND = {"rotate": 10.0, "stretch": 0.1, "shift": 0.5, "noise": 0.1, "fresh": 0.01}
TASKS: Mapping[str, Task] = {
    "few": Task(Few, SGD, limit=120.0, target=0.0265, by_hand=SGD_BY_HAND),
    "many": Task(
        Many,
        {**SGD, **SIZES},
        limit=240.0,
        target=0.0135,
        by_hand={**SGD_BY_HAND, **SIZES_BY_HAND},
    ),
}


def chosen() -> Task:
    """The task that the environment names, `few` where it names none."""
    return TASKS[os.environ.get(TASK, "few")]
