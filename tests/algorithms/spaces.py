"""Hypothesis strategies for search spaces, and what it means to lie in one."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from population_operator.api import (
    CategoricalDomain,
    FloatDomain,
    IntegerDomain,
    Parameter,
    Value,
)
from population_operator.model.space import Space, categories
from tests.builders import a_choice, a_float, an_experiment, an_integer, when


def space(*parameters: dict[str, Any]) -> Space:
    """A search space from the builders' manifests."""
    return an_experiment().parameters(*parameters).build().spec.parameters


@st.composite
def floats(draw: st.DrawFn, name: str) -> dict[str, Any]:
    log = draw(st.booleans())
    low = draw(st.floats(1e-9, 1e3)) if log else draw(st.floats(-1e6, 1e6))
    high = low + draw(st.floats(1e-3, 1e6))
    more = {}
    if not log and draw(st.booleans()):
        more["step"] = (high - low) / draw(st.floats(1.0, 50.0))
    return a_float(name, low, high, log=log, mutable=draw(st.booleans()), **more)


@st.composite
def integers(draw: st.DrawFn, name: str) -> dict[str, Any]:
    log = draw(st.booleans())
    low = draw(st.integers(1, 100)) if log else draw(st.integers(-1000, 1000))
    width = draw(st.integers(1, 10_000))
    more = {}
    if not log and draw(st.booleans()):
        more["step"] = draw(st.integers(1, width))
    return an_integer(name, low, low + width, log=log, mutable=draw(st.booleans()), **more)


@st.composite
def choices(draw: st.DrawFn, name: str) -> dict[str, Any]:
    values = [str(n) for n in range(draw(st.integers(1, 5)))]
    kind = draw(st.sampled_from(["string", "integer", "float"]))
    flags = {"ordered": draw(st.booleans()), "mutable": draw(st.booleans())}
    return a_choice(name, *values, type=kind, **flags)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """A parent with three categories, and up to six others, each conditional or not."""
    names = [f"p{i}" for i in range(draw(st.integers(1, 6)))]
    parameters = [a_choice("parent", "a", "b", "c", mutable=draw(st.booleans()))]
    for name in names:
        parameter = draw(st.one_of(floats(name), integers(name), choices(name)))
        if draw(st.booleans()):
            some = draw(st.sets(st.sampled_from(["a", "b", "c"]), min_size=1))
            parameter["when"] = when("parent", *sorted(some))
        parameters.append(parameter)
    return space(*draw(st.permutations(parameters)))


def belongs(parameter: Parameter, value: Value) -> bool:
    """Whether the value has the declared type and lies in the domain, on its grid."""
    domain = parameter.domain
    match domain:
        case CategoricalDomain():
            return any(
                value == known and type(value) is type(known) for known in categories(domain)
            )
        case FloatDomain() | IntegerDomain():
            kind = float if isinstance(domain, FloatDomain) else int
            if type(value) is not kind or not domain.min <= value <= domain.max:
                return False
            if not domain.step:
                return True
            # A float next to a large bound cannot say a small step's multiple more exactly.
            last_bits = 4 * math.ulp(float(value)) / domain.step
            places = (value - domain.min) / domain.step
            return abs(places - round(places)) <= 1e-6 + last_bits
