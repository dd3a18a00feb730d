"""Synthetic problems with known answers, as programs for the simulation runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from population_operator.model.space import Hyperparameters


@dataclass(frozen=True)
class ToySurrogate:
    """Figure 2 of the PBT paper (arXiv 1711.09846).

    Q = 1.2 - t0^2 - t1^2 is to be maximised, but the worker can only follow the gradient of
    1.2 - h0 t0^2 - h1 t1^2. Each hyperparameter alone leaves one coordinate where it is.
    """

    start_at: tuple[float, float] = (0.9, 0.9)
    learning_rate: float = 0.01

    def start(self, hyperparameters: Hyperparameters, seed: int) -> tuple[float, float]:
        return self.start_at

    def train(
        self,
        weights: tuple[float, float],
        hyperparameters: Hyperparameters,
        step: int,
        until: int,
        seed: int,
    ) -> tuple[tuple[float, float], float]:
        shrink = [
            (1 - 2 * self.learning_rate * float(hyperparameters[name])) ** (until - step)
            for name in ("h0", "h1")
        ]
        moved = (weights[0] * shrink[0], weights[1] * shrink[1])
        return moved, 1.2 - moved[0] ** 2 - moved[1] ** 2


@dataclass(frozen=True)
class TriangleLearningRate:
    """A learning rate whose optimum rises and falls with the accuracy that was reached.

    The optimum is 0.01 a/100 up to an accuracy a of 100, then 0.01 - 0.01 (a - 100)/100, clipped
    to [0.001, 0.01]. With ratio the larger over the smaller of the learning rate and the optimum,
    a step gains U(0, 1)/ratio where ratio < 3, loses U(0, 1) (ratio - 3) where it is not and the
    learning rate is above the optimum, and gains nothing below; plus normal noise. No constant
    learning rate does well; a schedule does.
    """

    noise: float = 2.0

    def start(self, hyperparameters: Hyperparameters, seed: int) -> float:
        return 0.0

    def train(
        self, weights: float, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[float, float]:
        rng = np.random.default_rng(seed)
        rate, accuracy = float(hyperparameters["lr"]), weights
        uniforms = rng.random(until - step).tolist()
        noises = rng.normal(0.0, self.noise, until - step).tolist()
        for uniform, noise in zip(uniforms, noises, strict=True):
            accuracy = max(0.0, accuracy + self._gain(rate, accuracy, uniform) + noise)
        return accuracy, accuracy

    @staticmethod
    def _gain(rate: float, accuracy: float, uniform: float) -> float:
        rising = accuracy if accuracy <= 100 else 200 - accuracy
        optimum = min(max(0.01 * rising / 100, 0.001), 0.01)
        ratio = max(rate, optimum) / min(rate, optimum)
        if ratio < 3:
            return uniform / ratio
        return -uniform * (ratio - 3) if rate > optimum else 0.0
