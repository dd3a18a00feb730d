"""Synthetic problems whose best hyperparameters move while a population trains.

An interval of training under h adds f_t(h) + 0.1 N(0, 1) to the score, where

    f_t(h) = height_t(category) exp(-1/2 sum_d ((u_d - c_d(t)) / width)^2)

u are the unit coordinates of h, each on its parameter's own scale, and c(t) is where the optimum
stands in interval t = 1 .. 40. Its height is 1 in every interval (of the best category).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from population_operator.api import FloatDomain, IntegerDomain, PopulationExperiment, Value
from population_operator.model.space import Hyperparameters, from_unit, to_unit

INTERVALS = 40
MEMBERS = 4
NOISE = 0.1


@dataclass(frozen=True)
class Problem:
    """A search space, where its optimum stands, and how wide it is.

    `optimum` gives the unit coordinates of the numeric parameters for a category and an interval;
    `height` what a category is worth.
    """

    name: str
    parameters: tuple[Mapping[str, Any], ...]
    optimum: Callable[[Value, int], tuple[float, ...]]
    width: float
    log: bool
    height: Callable[[Value, int], float] = lambda category, t: 1.0

    def experiment(self, algorithm: Mapping[str, Any], seed: int) -> PopulationExperiment:
        """Population 4, 40 intervals of one step, synchronous."""
        return PopulationExperiment.model_validate(
            {
                "metadata": {"name": self.name},
                "spec": {
                    "objective": {"metric": "score"},
                    "parameters": [dict(p) for p in self.parameters],
                    "algorithm": algorithm,
                    "population": {"size": MEMBERS, "seed": seed},
                    "schedule": {"interval": 1, "maxSteps": INTERVALS, "synchronous": True},
                    "worker": {"local": {"command": ["none"]}},
                },
            }
        )

    @property
    def space(self) -> Any:
        return self.experiment({"random": {}}, 0).spec.parameters

    def value(self, hyperparameters: Hyperparameters, t: int) -> float:
        """f_t(h), without noise."""
        space = _space(self)
        category = next((hyperparameters[p.name] for p in space if p.categorical is not None), "")
        units = [
            to_unit(p.domain, float(hyperparameters[p.name]))
            for p in space
            if p.categorical is None
        ]
        away = np.array(units) - self.optimum(category, t)
        return self.height(category, t) * math.exp(-0.5 * float(away @ away) / self.width**2)

    def best(self, t: int) -> dict[str, Value]:
        """The hyperparameters of the highest f_t (whole numbers: the nearest to it)."""
        space = _space(self)
        known: tuple[Value, ...] = next(
            (p.categorical.values for p in space if p.categorical is not None), ("",)
        )
        category = max(known, key=lambda c: self.height(c, t))
        units = iter(self.optimum(category, t))
        return {
            p.name: category if p.categorical else _nearest(p.domain, next(units)) for p in space
        }

    def regret(self, hyperparameters: Hyperparameters, t: int) -> float:
        """max f_t - f_t(h)."""
        return self.value(self.best(t), t) - self.value(hyperparameters, t)

    # --- as a program of the simulation runtime ---

    def start(self, hyperparameters: Hyperparameters, seed: int) -> float:
        return 0.0

    def train(
        self, weights: float, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[float, float]:
        noise = NOISE * float(np.random.default_rng(seed).normal())
        score = weights + self.value(hyperparameters, until) + noise
        return score, score


def _nearest(domain: FloatDomain | IntegerDomain, unit: float) -> float:
    """The value whose unit coordinate is nearest; on a log scale rounding alone may miss it."""
    value = from_unit(domain, unit)
    if isinstance(domain, FloatDomain):
        return value
    near = range(max(int(value) - 1, int(domain.min)), min(int(value) + 1, int(domain.max)) + 1)
    return min(near, key=lambda v: abs(to_unit(domain, v) - unit))


_SPACES: dict[str, Any] = {}


def _space(problem: Problem) -> Any:
    if problem.name not in _SPACES:
        _SPACES[problem.name] = problem.space
    return _SPACES[problem.name]


def _float(name: str, low: float, high: float, scale: str = "linear") -> Mapping[str, Any]:
    return {"name": name, "float": {"min": low, "max": high, "scale": scale}}


def _integer(name: str, low: int, high: int, scale: str = "linear") -> Mapping[str, Any]:
    return {"name": name, "integer": {"min": low, "max": high, "scale": scale}}


def _progress(t: int) -> float:
    return (t - 1) / (INTERVALS - 1)


def _half_circle(category: Value, t: int) -> tuple[float, ...]:
    angle = math.pi * _progress(t)
    return 0.5 + 0.3 * math.cos(angle), 0.3 + 0.4 * math.sin(angle)


def _annealed(category: Value, t: int) -> tuple[float, ...]:
    return 0.75 - 0.5 * _progress(t), 0.25 + 0.3 * _progress(t)


def _slow(category: Value, t: int) -> tuple[float, ...]:
    shift = 0.25 * _progress(t)
    return 0.3 + shift, 0.7 - shift, 0.5, 0.4 + shift / 2


def _batches(category: Value, t: int) -> tuple[float, ...]:
    return 0.3 + 0.4 * _progress(t), 0.7 - 0.3 * _progress(t), 0.5


def _by_optimizer(category: Value, t: int) -> tuple[float, ...]:
    start = {"sgd": 0.8, "adam": 0.5, "rmsprop": 0.35}[str(category)]
    return start - 0.15 * _progress(t), 0.3 + 0.3 * _progress(t)


def _worth(category: Value, t: int) -> float:
    late = _progress(t)
    return {"sgd": 0.5 + 0.5 * late, "adam": 1.0 - 0.4 * late, "rmsprop": 0.6}[str(category)]


PROBLEMS = (
    Problem(
        "linear-2d",
        (_float("a", 0.0, 1.0), _float("b", 0.0, 1.0)),
        _half_circle,
        width=0.25,
        log=False,
    ),
    Problem(
        "log-2d",
        (_float("lr", 1e-5, 1e-1, "log"), _float("decay", 1e-7, 1e-2, "log")),
        _annealed,
        width=0.2,
        log=True,
    ),
    Problem(
        "slow-4d",
        tuple(_float(name, 0.0, 1.0) for name in "abcd"),
        _slow,
        width=0.4,
        log=False,
    ),
    Problem(
        "integers-3d",
        (
            _integer("batch", 16, 1024, "log"),
            _integer("epochs", 1, 10),
            _float("lr", 1e-5, 1e-2, "log"),
        ),
        _batches,
        width=0.25,
        log=True,
    ),
    Problem(
        "category-2d",
        (
            {"name": "optimizer", "categorical": {"values": ["sgd", "adam", "rmsprop"]}},
            _float("lr", 1e-5, 1e-1, "log"),
            _float("dropout", 0.0, 0.6),
        ),
        _by_optimizer,
        width=0.25,
        log=True,
        height=_worth,
    ),
)
