"""The three tasks that every optimiser is given: two of one network, one of a kernel machine.

`few` has the five hyperparameters of SGD and the digits as they are, each also shifted by a pixel
in four directions: every 32nd random configuration is good enough, so to find one is mostly luck.
`many` has ten: random distortions of the examples, their sizes to be chosen, and averaged weights,
too. The best of 64 random configurations ends at twice the loss of what a person writes down.
`smooth` is the kernel machine of `kernel.py` on such examples, with six hyperparameters: training
has no luck, and near configurations end with near losses. To be reached: what a person writes down,
half the loss of the best of 64.

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

from benchmarks.walltime.distort import examples
from benchmarks.walltime.kernel import Kernel
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
        return examples(self.values, rng)

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


@dataclass(frozen=True)
class Task:
    """`target` is the loss to reach and `limit` the seconds after which a search is given up.

    `by_hand` is a configuration that a person would write down. `goes_on`: what was trained with
    other hyperparameters is of use, as populations need it.
    """

    model: type[Network] | type[Kernel]
    space: Space
    limit: float
    target: float
    by_hand: Mapping[str, Any]
    goes_on: bool = True

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
}
SGD_BY_HAND = {"lr": 0.1, "momentum": 0.9, "batch_size": 64, "decay": 1e-4, "dropout": 0.2}
SIZES_BY_HAND = {"rotate": 10.0, "stretch": 0.1, "shift": 0.5, "noise": 0.1}
KERNEL: Space = {"length": (0.1, 100.0, "log"), "ridge": (1e-7, 0.1, "log")}
KERNEL_BY_HAND = {"length": 3.0, "ridge": 1e-5}
"""The length is about the median distance between two images."""
TASKS: Mapping[str, Task] = {
    "few": Task(Few, SGD, limit=120.0, target=0.0265, by_hand=SGD_BY_HAND),
    "many": Task(
        Many,
        {**SGD, **SIZES, "fresh": (1e-4, 1.0, "log")},
        limit=240.0,
        target=0.0135,
        by_hand={**SGD_BY_HAND, **SIZES_BY_HAND, "fresh": 0.01},
    ),
    "smooth": Task(
        Kernel,
        {**KERNEL, **SIZES},
        limit=240.0,
        target=0.0180,
        by_hand={**KERNEL_BY_HAND, **SIZES_BY_HAND},
        goes_on=False,
    ),
}


def chosen() -> Task:
    """The task that the environment names, `few` where it names none."""
    return TASKS[os.environ.get(TASK, "few")]
