"""The search space: drawing, clipping, typing and unit coordinates of hyperparameters.

A configuration is a plain dict from parameter name to value, with exactly the *active* parameters:
those without a `when`, and those whose condition holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from population_operator.api import (
    CategoricalDomain,
    FloatDomain,
    IntegerDomain,
    Parameter,
    Scale,
    Value,
    ValueType,
)

Hyperparameters = Mapping[str, Value]
Space = tuple[Parameter, ...]


def category(domain: CategoricalDomain, text: str) -> Value:
    """The value that the worker gets for the category written as `text`."""
    match domain.type:
        case ValueType.INTEGER:
            return int(text)
        case ValueType.FLOAT:
            return float(text)
        case ValueType.BOOLEAN:
            return text.lower() == "true"
        case ValueType.STRING:
            return text


def categories(domain: CategoricalDomain) -> tuple[Value, ...]:
    """All values of the domain, typed, in the manifest's order."""
    return tuple(category(domain, text) for text in domain.values)


def typed(parameter: Parameter, value: Value) -> Value:
    """`value` in its declared type: JSON brings 1.0 back as 1, and a category may be its text."""
    domain = parameter.domain
    if isinstance(domain, FloatDomain):
        return float(value)
    if isinstance(domain, IntegerDomain):
        return int(value)
    known = categories(domain)
    if value in known:
        return known[known.index(value)]
    return category(domain, str(value))


def typed_all(space: Space, values: Hyperparameters) -> dict[str, Value]:
    """`typed` for each parameter of `values` that the space knows, in the space's order."""
    return {p.name: typed(p, values[p.name]) for p in space if p.name in values}


def is_active(parameter: Parameter, space: Space, values: Hyperparameters) -> bool:
    """Whether the parameter's condition holds under `values`; one whose parent is absent is not."""
    if parameter.when is None:
        return True
    parent = next(p for p in space if p.name == parameter.when.parameter)
    if parent.name not in values or not isinstance(parent.domain, CategoricalDomain):
        return False
    chosen = values[parent.name]
    return any(category(parent.domain, text) == chosen for text in parameter.when.in_)


def clip(domain: FloatDomain | IntegerDomain, value: float) -> float | int:
    """The member of the domain nearest to `value`: within the bounds, on the grid of `step`."""
    if math.isnan(value):
        raise ValueError("a hyperparameter cannot be NaN")
    value = min(max(value, domain.min), domain.max)
    if domain.step:
        cells = min(round((value - domain.min) / domain.step), _cells(domain))
        value = _grid_point(domain, cells)
    return round(value) if isinstance(domain, IntegerDomain) else float(value)


def _cells(domain: FloatDomain | IntegerDomain) -> int:
    """How many steps fit between the bounds."""
    return math.floor((domain.max - domain.min) / (domain.step or 1) + 1e-9)


def _grid_point(domain: FloatDomain | IntegerDomain, cell: int) -> float:
    """`min + cell * step` without the last bits' drift: 0.1 + 2 * 0.1 is 0.3 here."""
    exact = domain.min + cell * (domain.step or 1)
    short = float(f"{exact:.12g}")
    point = short if abs(short - exact) <= 4 * math.ulp(exact) else exact
    return min(max(point, domain.min), domain.max)


def to_unit(domain: FloatDomain | IntegerDomain, value: float) -> float:
    """Coordinate in [0, 1] on the domain's own scale."""
    low, high = float(domain.min), float(domain.max)
    if domain.scale is Scale.LOG:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low) if high > low else 0.0


def to_units(
    domain: FloatDomain | IntegerDomain, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`to_unit` of many (n); NaN stays."""
    low, high = float(domain.min), float(domain.max)
    if domain.scale is Scale.LOG:
        low, high, values = math.log(low), math.log(high), np.log(values)
    return (values - low) / (high - low) if high > low else values * 0.0


def from_unit(domain: FloatDomain | IntegerDomain, unit: float) -> float | int:
    """Inverse of `to_unit`, clipped. Whole numbers are rounded to the nearest."""
    low, high = float(domain.min), float(domain.max)
    if domain.scale is Scale.LOG:
        return clip(domain, math.exp(math.log(low) + unit * (math.log(high) - math.log(low))))
    return clip(domain, low + unit * (high - low))


def draw(parameter: Parameter, rng: np.random.Generator) -> Value:
    """A fresh draw, uniform on the domain's scale, or on its grid where it has a `step`."""
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        values = categories(domain)
        return values[int(rng.integers(len(values)))]
    unit = float(rng.random())
    if domain.step:
        return clip(domain, _grid_point(domain, math.floor(unit * (_cells(domain) + 1))))
    if isinstance(domain, IntegerDomain) and domain.scale is Scale.LINEAR:
        return min(domain.min + math.floor(unit * (domain.max - domain.min + 1)), domain.max)
    if isinstance(domain, IntegerDomain):
        # The cells of the first and last number are as wide as the others' only beyond the bounds.
        low, high = math.log(max(domain.min - 0.5, 0.5)), math.log(domain.max + 0.5)
        return int(clip(domain, math.exp(low + unit * (high - low))))
    return from_unit(domain, unit)


def sample(
    space: Space, rng: np.random.Generator, given: Hyperparameters | None = None
) -> dict[str, Value]:
    """A configuration: `given` values stay, the rest is drawn.

    Each parameter consumes its draw whether it is active or not, so that one parameter's value
    does not depend on another's condition.
    """
    given = given or {}
    drawn = {p.name: draw(p, rng) for p in space}
    values = {p.name: typed(p, given.get(p.name, drawn[p.name])) for p in space}
    return {p.name: values[p.name] for p in space if is_active(p, space, values)}
