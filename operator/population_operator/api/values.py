"""Hyperparameters' values: as a user writes them in `initial`, and as the worker gets them."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from population_operator.api.parameters import (
    MAX_PARAMETERS,
    PATTERNS,
    CategoricalDomain,
    FloatDomain,
    IntegerDomain,
    Parameter,
    Value,
    ValueType,
)
from population_operator.api.problems import listed, quoted, refused, shown


def _given(value: object) -> object:
    if isinstance(value, str | bool | int | float):
        return value
    hint = ": drop the field to have it drawn" if value is None else ""
    raise refused(f"must be a number, a string or true/false, got {shown(value)}{hint}")


Given = Annotated[Value, BeforeValidator(_given)]
"""A value as a user writes it in `initial`, before it is read in its parameter's type."""

Entry = Annotated[
    dict[str, Given],
    Field(max_length=MAX_PARAMETERS),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_PARAMETERS,
            "x-kubernetes-preserve-unknown-fields": True,
            "description": "A value for each of some parameters; the others are drawn.",
        }
    ),
]
"""One entry of `initial`. Its values are of many types, so CEL sees the entry but not into it."""


def text_of(value: Value) -> str:
    """A value as the text of a category."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _category(domain: CategoricalDomain, value: Value) -> Value:
    """The category that `value` means, in the declared type."""
    same = (lambda a, b: float(a) == float(b)) if domain.type is ValueType.FLOAT else str.__eq__
    words = text_of(value)
    if domain.type is ValueType.FLOAT and not re.fullmatch(PATTERNS[ValueType.FLOAT], words):
        found = None
    else:
        found = next((known for known in domain.values if same(known, words)), None)
    if found is None:
        raise ValueError(f"must be one of {listed(domain.values)}, got {quoted(value)}")
    match domain.type:
        case ValueType.INTEGER:
            return int(found)
        case ValueType.FLOAT:
            return float(found)
        case ValueType.BOOLEAN:
            return found == "true"
        case ValueType.STRING:
            return found


def typed(parameter: Parameter, value: Value) -> Value:
    """`value` as the worker gets it; a ValueError says why it lies outside the domain.

    The value of a categorical is compared as text: 64, 64.0 and "64" all mean the category "64".
    """
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return _category(domain, value)
    what = "number" if isinstance(domain, FloatDomain) else "whole number"
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ValueError(f"must be a {what}, got {quoted(value)}")
    if isinstance(domain, IntegerDomain) and value != int(value):
        raise ValueError(f"must be a {what}, got {value}")
    if not domain.min <= value <= domain.max:
        bounds = f"[{shown(domain.min)}, {shown(domain.max)}]"
        raise ValueError(f"must be within {bounds}, got {shown(value)}")
    if domain.step:
        steps = (value - domain.min) / domain.step
        if abs(steps - round(steps)) > 1e-6:
            near = shown(domain.min + math.floor(steps) * domain.step)
            grid = f"{shown(domain.min)} plus a multiple of {shown(domain.step)}"
            raise ValueError(f"must be {grid}, got {shown(value)}: {near}?")
    return float(value) if isinstance(domain, FloatDomain) else int(value)
