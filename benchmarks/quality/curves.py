"""Learning curves that every optimiser queries alike: real ones from a table, synthetic ones.

The real ones are trained once, on scikit-learn's bundled data: every cell of a grid over four
hyperparameters, `STEPS` steps each, the validation score after each step. A configuration counts as
the nearest cell, so that all optimisers see the same function, and a query costs nothing. Tables
lie in ~/.cache/population-operator/curves; `python -m benchmarks.quality.curves` makes those that
are missing (some minutes on one core).

The synthetic ones have a known optimum and curves that cross. Higher scores are better everywhere.
This module is also read by the peers' interpreter: it imports nothing of the operator.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 27
"""The full budget; rungs end at 1, 3, 9 and 27."""
CACHE = Path.home() / ".cache" / "population-operator" / "curves"
VERSION = 1

Curve = Any
Trainer = Callable[[Mapping[str, Any]], list[float]]


@dataclass(frozen=True)
class Axis:
    """A parameter: its range, and how many cells a table has along it (0: none is needed)."""

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    cells: int = 0

    def manifest(self) -> dict[str, Any]:
        domain: dict[str, Any] = {"min": self.low, "max": self.high}
        if self.log:
            domain["scale"] = "log"
        return {"name": self.name, "integer" if self.whole else "float": domain}

    def unit(self, value: float) -> float:
        """The coordinate in [0, 1]."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)

    def values(self) -> list[float]:
        """The values of the cells."""
        found = []
        for place in range(self.cells):
            unit = place / (self.cells - 1)
            value = self.low + unit * (self.high - self.low)
            if self.log:
                value = self.low * (self.high / self.low) ** unit
            found.append(round(value) if self.whole else value)
        return found


@dataclass(frozen=True)
class Table:
    """A tabulated problem; `train` gives the curve of a configuration."""

    name: str
    axes: tuple[Axis, ...]
    train: Trainer

    @property
    def path(self) -> Path:
        return CACHE / f"{self.name}-{VERSION}.npy"

    @cached_property
    def curves(self) -> Curve:
        """All curves: cells of the axes, then STEPS."""
        if not self.path.exists():
            sys.exit(f"{self.path} is missing: python -m benchmarks.quality.curves")
        return np.load(self.path)

    def scores(self, values: Mapping[str, Any]) -> Curve:
        """The scores after 1 .. STEPS steps."""
        cell = tuple(
            min(max(round(a.unit(values[a.name]) * (a.cells - 1)), 0), a.cells - 1)
            for a in self.axes
        )
        return self.curves[cell]

    @property
    def optimum(self) -> float:
        return float(self.curves[..., [0, 2, 8, 26]].max())

    def make(self) -> None:
        """Train every cell, and write the table."""
        found = []
        cells = list(itertools.product(*(axis.values() for axis in self.axes)))
        for done, cell in enumerate(cells):
            names = [axis.name for axis in self.axes]
            found.append(self.train(dict(zip(names, cell, strict=True))))
            if done % 50 == 0:
                print(f"{self.name}: {done} of {len(cells)}", flush=True)
        shape = (*(axis.cells for axis in self.axes), STEPS)
        curves = np.array(found, dtype=np.float32).reshape(shape)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, curves)
        partial.rename(self.path)


def _split(load: str, train: int) -> tuple[Any, Any, Any, Any]:
    """Standardised training and validation data: the first so many of a fixed shuffle train."""
    import sklearn.datasets as data

    inputs, targets = getattr(data, f"load_{load}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(inputs))
    inputs, targets = inputs[order], targets[order]
    mean, deviation = inputs[:train].mean(axis=0), inputs[:train].std(axis=0)
    inputs = (inputs - mean) / np.where(deviation > 0, deviation, 1.0)
    return inputs[:train], targets[:train], inputs[train:], targets[train:]


def _digits(values: Mapping[str, Any]) -> list[float]:
    """A multi-layer perceptron on digits; a step is an epoch. Validation accuracy."""
    from sklearn.neural_network import MLPClassifier

    inputs, targets, unseen, known = _split("digits", 900)
    model = MLPClassifier(
        hidden_layer_sizes=(values["width"],), solver="sgd", random_state=0,
        learning_rate_init=values["lr"], batch_size=values["batch_size"],
        momentum=values["momentum"],
    )  # fmt: skip
    scores = []
    for _ in range(STEPS):
        try:
            model.partial_fit(inputs, targets, classes=range(10))
            scores.append(float((model.predict(unseen) == known).mean()))
        except ValueError:  # The weights are not finite any more.
            scores.append(0.0)
    return scores


def _cancer(values: Mapping[str, Any]) -> list[float]:
    """A linear classifier on breast cancer; a step is an epoch. Minus the log loss, at least -2."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss

    inputs, targets, unseen, known = _split("breast_cancer", 300)
    model = SGDClassifier(
        loss="log_loss", penalty="elasticnet", learning_rate="invscaling", random_state=0,
        alpha=values["alpha"], eta0=values["eta0"], l1_ratio=values["l1_ratio"],
        power_t=values["power_t"],
    )  # fmt: skip
    scores = []
    for _ in range(STEPS):
        model.partial_fit(inputs, targets, classes=[0, 1])
        likely = model.predict_proba(unseen)
        scores.append(max(-float(log_loss(known, likely)), -2.0))
    return scores


def _diabetes(values: Mapping[str, Any]) -> list[float]:
    """Boosted trees on diabetes; a step is four trees. Validation R2, at least -1."""
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.metrics import r2_score

    inputs, targets, unseen, known = _split("diabetes", 250)
    model = GradientBoostingRegressor(
        n_estimators=4 * STEPS, random_state=0, learning_rate=values["learning_rate"],
        max_depth=values["max_depth"], subsample=values["subsample"],
        min_samples_leaf=values["min_samples_leaf"],
    ).fit(inputs, targets)  # fmt: skip
    staged = list(model.staged_predict(unseen))[3::4]
    return [max(float(r2_score(known, predicted)), -1.0) for predicted in staged]


TABLES = (
    Table("digits", (
        Axis("lr", 1e-4, 1.0, log=True, cells=9), Axis("batch_size", 16, 256, True, True, 4),
        Axis("width", 8, 128, True, True, 4), Axis("momentum", 0.0, 0.98, cells=4),
    ), _digits),
    Table("cancer", (
        Axis("alpha", 1e-6, 1.0, log=True, cells=7), Axis("eta0", 1e-4, 10.0, log=True, cells=9),
        Axis("l1_ratio", 0.0, 1.0, cells=4), Axis("power_t", 0.0, 1.0, cells=4),
    ), _cancer),
    Table("diabetes", (
        Axis("learning_rate", 0.01, 1.0, log=True, cells=9),
        Axis("max_depth", 1, 7, whole=True, cells=4), Axis("subsample", 0.3, 1.0, cells=3),
        Axis("min_samples_leaf", 1, 64, log=True, whole=True, cells=3),
    ), _diabetes),
)  # fmt: skip


@dataclass(frozen=True)
class Synthetic:
    """A function with a known optimum; `curve` says how the score grows over shares of budget."""

    name: str
    axes: tuple[Axis, ...]
    function: Callable[[Any], float]
    optimum: float
    gap: float
    """By how much a score may lie below its full one at first."""

    def full(self, values: Mapping[str, Any]) -> float:
        """The score at the full budget."""
        return self.at(values, 1.0)

    def at(self, values: Mapping[str, Any], share: float) -> float:
        """The score after a share of the budget: from below, some fast, some slowly; they cross."""
        units = np.array([axis.unit(values[axis.name]) for axis in self.axes])
        slow = 0.15 + 0.35 * float(units[0])
        return self.function(units) - slow * (1.0 - share) ** 2 * self.gap

    def scores(self, values: Mapping[str, Any]) -> Curve:
        """The scores after 1 .. STEPS steps."""
        return np.array([self.at(values, step / STEPS) for step in range(1, STEPS + 1)])


def branin(units: Any) -> float:
    """Minus Branin, over 10: the optimum is -0.0398 (three times)."""
    x, y = 15.0 * units[0] - 5.0, 15.0 * units[1]
    hill = (y - 5.1 / (4 * math.pi**2) * x * x + 5.0 / math.pi * x - 6.0) ** 2
    return -(hill + 10.0 * (1.0 - 1.0 / (8.0 * math.pi)) * math.cos(x) + 10.0) / 10.0


_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array([
    [10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14],
])  # fmt: skip
_P = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip


def ridge(units: Any) -> float:
    """A narrow ridge, as of two regularisers that trade off; the optimum is 0 at (0.7, 0.4)."""
    along, across = units[0] - 0.7, units[0] + units[1] - 1.1
    return math.exp(-4.0 * along**2 - 30.0 * across**2) - 1.0


def hartmann6(units: Any) -> float:
    """Minus Hartmann in six dimensions; the optimum is 3.32237."""
    return float(_ALPHA @ np.exp(-(_A * (units[None, :] - _P) ** 2).sum(axis=1)))


def _units(count: int) -> tuple[Axis, ...]:
    return tuple(Axis(f"x{i}", 0.0, 1.0) for i in range(count))


SYNTHETIC = (
    Synthetic("branin", _units(2), branin, -0.0397887, 5.0),
    Synthetic("ridge", _units(2), ridge, 0.0, 1.0),
    Synthetic("hartmann6", _units(6), hartmann6, 3.32237, 3.0),
)
PROBLEMS: Mapping[str, Table | Synthetic] = {p.name: p for p in (*TABLES, *SYNTHETIC)}


def main() -> int:
    """Make the tables that are missing."""
    warnings.simplefilter("ignore")
    for table in TABLES:
        if not table.path.exists():
            table.make()
        print(f"{table.path}: {table.curves.shape}, best {table.optimum:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
