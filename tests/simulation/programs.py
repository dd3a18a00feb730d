"""Cheap problems for the simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from population_operator.model.space import Hyperparameters


@dataclass(frozen=True)
class Climb:
    """The score rises by the learning rate times a factor; sometimes the loss is not a number."""

    nan_rate: float = 0.0

    def start(self, hyperparameters: Hyperparameters, seed: int) -> float:
        return 0.0

    def train(
        self, weights: float, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[float, float]:
        rng = np.random.default_rng(seed)
        if rng.random() < self.nan_rate:
            return weights, math.nan
        moved = weights + float(hyperparameters["lr"]) * (until - step) * float(rng.random())
        return moved, moved
