"""How a copied configuration is moved: perturb or resample, each parameter by itself.

Jaderberg et al., Population Based Training of Neural Networks, arXiv 1711.09846, section 4.1.1
("explore"): "perturb, where each hyperparameter independently is randomly perturbed by a factor of
1.2 or 0.8" and "resample, where each hyperparameter is resampled from the original prior
distribution defined with some probability".

The rules, for a parameter with the donor's value v:

- with the resample probability, a fresh draw; else
- a number becomes v x factor, clipped to the bounds. Where it has a grid (whole numbers have one of
  1 or their `step`; real numbers theirs), it moves by one grid point in the factor's direction if
  it would stay where it is, unless it is at the bound. A real zero stays zero: no factor moves it,
  only a fresh draw does;
- an unordered category is always a fresh draw; an ordered one moves to a neighbour, at an end to
  the only one;
- what is not `mutable` keeps v;
- a parameter whose condition holds only now is drawn, and one whose condition holds no more is
  dropped, mutable or not.

Each parameter consumes the same draws whatever becomes of it, so no parameter's value depends on
another's (but for being there at all).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from population_operator.api import (
    CategoricalDomain,
    FloatDomain,
    IntegerDomain,
    Parameter,
    Value,
)
from population_operator.api.algorithm import Explore
from population_operator.model.space import (
    Hyperparameters,
    Space,
    categories,
    clip,
    draw,
    is_active,
    typed,
)


def explore(
    space: Space, donor: Hyperparameters, block: Explore, rng: np.random.Generator
) -> dict[str, Value]:
    """A configuration near the donor's: exactly the active parameters, in the space's order.

    Args:
      space: P parameters.
      donor: the donor's values; one that it lacks (it was not active there) is drawn.
      block: factors and probability.
      rng: gives four draws for each of the P parameters.
    """
    values: dict[str, Value] = {}
    for parameter in space:
        chance = _Chance.of(parameter, block, rng)
        if parameter.name in donor:
            values[parameter.name] = _moved(parameter, donor[parameter.name], chance)
        else:
            values[parameter.name] = chance.fresh
    return {p.name: values[p.name] for p in space if is_active(p, space, values)}


@dataclass(frozen=True)
class _Chance:
    """What chance has in store for one parameter, whether or not it is asked."""

    resample: bool
    fresh: Value
    factor: float
    up: bool

    @classmethod
    def of(cls, parameter: Parameter, block: Explore, rng: np.random.Generator) -> _Chance:
        factors = block.perturb.factors
        return cls(
            resample=bool(rng.random() < block.resample.probability),
            fresh=draw(parameter, rng),
            factor=factors[int(rng.integers(len(factors)))],
            up=bool(rng.random() < 0.5),
        )


def _moved(parameter: Parameter, value: Value, chance: _Chance) -> Value:
    if not parameter.mutable:
        return typed(parameter, value)
    if chance.resample:
        return chance.fresh
    if isinstance(parameter.domain, CategoricalDomain):
        return _neighbour(parameter.domain, typed(parameter, value), chance)
    return perturbed(parameter.domain, float(value), chance.factor)


def _neighbour(domain: CategoricalDomain, value: Value, chance: _Chance) -> Value:
    """The category beside `value`; a fresh draw where there is no order, or no such category."""
    values = categories(domain)
    if not domain.ordered or value not in values:
        return chance.fresh
    last, here = len(values) - 1, values.index(value)
    if here in (0, last):
        return values[min(1, last)] if here == 0 else values[last - 1]
    return values[here + 1 if chance.up else here - 1]


def perturbed(domain: FloatDomain | IntegerDomain, value: float, factor: float) -> float | int:
    """`value` x `factor` within the domain; on a grid it does not stay where it is.

    The factor's direction is the one in which it moves the value: 0.8 moves -10 up. At zero, where
    it moves nothing, a factor above 1 counts as up and one below as down.
    """
    start = clip(domain, value)
    target = value * factor
    moved = clip(domain, target)
    grid = domain.step or (1 if isinstance(domain, IntegerDomain) else 0)
    if moved != start or not grid or factor == 1.0:
        return moved
    direction = math.copysign(1.0, target - value if target != value else factor - 1.0)
    return clip(domain, start + direction * grid)
