"""Synthetic problems on which nothing of PB2 was chosen: no prior, no constant, no default.

The process's priors and its constant mean were chosen on the five of `pb2_problems.py`. These three
were written down afterwards, with other shapes, before anything ran on them. Noise, population and
intervals are the same; the highest value is 1 in every interval.

  ridge-3d  three log scales, of which two matter through their product alone, or nearly so: good
            values are a thin ridge across the space, which moves to one side
  hills-2d  two hills on linear scales that drift; the lower one rises while the higher one sinks
  jump-2d   a linear and a log scale; after half of the intervals the optimum is somewhere else
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.pb2_problems import INTERVALS, Problem
from population_operator.api import Value
from population_operator.model.space import Hyperparameters, to_unit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut(Problem):
    """A problem of another shape: `surface` is f_t at unit coordinates (D).

    `optimum` stands where the surface is 1; `width` says nothing here.
    """

    surface: Callable[[Array, int], float] = lambda units, t: 0.0

    @cached_property
    def space(self) -> Any:
        return super().space

    def value(self, hyperparameters: Hyperparameters, t: int) -> float:
        """f_t(h), without noise."""
        units = [to_unit(p.domain, float(hyperparameters[p.name])) for p in self.space]
        return self.surface(np.array(units), t)


def _progress(t: int) -> float:
    return (t - 1) / (INTERVALS - 1)


# --- a moving ridge ------------------------------------------------------------------------------

_ACROSS = np.array([1.0, 1.0, 0.0]) / np.sqrt(2.0)
_THIN, _LONG = 0.15, 0.6


def _crest(category: Value, t: int) -> tuple[float, ...]:
    side = 0.65 - 0.3 * _progress(t)
    return side, side, 0.4 + 0.2 * _progress(t)


def _ridge(units: Array, t: int) -> float:
    away = units - _crest("", t)
    across = float(away @ _ACROSS)
    along = float(away @ away) - across**2
    return float(np.exp(-0.5 * ((across / _THIN) ** 2 + along / _LONG**2)))


# --- two hills -----------------------------------------------------------------------------------

_HILL = 0.18


def _hills_at(t: int) -> tuple[tuple[float, tuple[float, float]], ...]:
    """Heights and places."""
    late = _progress(t)
    first = 1.0 - 0.8 * max(late - 0.5, 0.0), (0.25 + 0.15 * late, 0.25 + 0.1 * late)
    second = 0.6 + 0.8 * min(late, 0.5), (0.8 - 0.1 * late, 0.7 + 0.1 * late)
    return first, second


def _higher(category: Value, t: int) -> tuple[float, ...]:
    return max(_hills_at(t))[1]


def _hills(units: Array, t: int) -> float:
    found = []
    for height, place in _hills_at(t):
        away = units - place
        found.append(height * float(np.exp(-0.5 * float(away @ away) / _HILL**2)))
    return max(found)


# --- an abrupt change ----------------------------------------------------------------------------


def _before_and_after(category: Value, t: int) -> tuple[float, ...]:
    return (0.25, 0.7) if t <= INTERVALS // 2 else (0.7, 0.35)


def _jump(units: Array, t: int) -> float:
    away = units - _before_and_after("", t)
    return float(np.exp(-0.5 * float(away @ away) / 0.22**2))


def _float(name: str, low: float, high: float, scale: str = "linear") -> dict[str, object]:
    return {"name": name, "float": {"min": low, "max": high, "scale": scale}}


HELD_OUT = (
    HeldOut(
        "ridge-3d",
        (
            _float("lr", 1e-5, 1e-1, "log"),
            _float("strength", 1e-4, 1.0, "log"),
            _float("decay", 1e-7, 1e-2, "log"),
        ),
        _crest,
        width=_THIN,
        log=True,
        surface=_ridge,
    ),
    HeldOut(
        "hills-2d",
        (_float("a", 0.0, 1.0), _float("b", 0.0, 1.0)),
        _higher,
        width=_HILL,
        log=False,
        surface=_hills,
    ),
    HeldOut(
        "jump-2d",
        (_float("dropout", 0.0, 0.8), _float("lr", 1e-5, 1e-1, "log")),
        _before_and_after,
        width=0.22,
        log=True,
        surface=_jump,
    ),
)
