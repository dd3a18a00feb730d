"""What a simulated worker trains."""

from __future__ import annotations

from typing import Any, Protocol

from population_operator.model.space import Hyperparameters

Weights = Any
"""Whatever a program trains. It is shared between checkpoints, so `train` must not change it."""


class Program(Protocol):
    """A synthetic problem: pure functions of weights, hyperparameters and a seed."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> Weights:
        """The weights of a member that has not trained yet."""
        ...

    def train(
        self, weights: Weights, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[Weights, float]:
        """Weights and score after training from `step` to `until`."""
        ...
