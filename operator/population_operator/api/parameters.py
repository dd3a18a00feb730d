"""The search space as a user writes it: a list of parameters, each with exactly one domain."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from population_operator.api.base import ApiModel

MAX_PARAMETERS = 32
MAX_CATEGORIES = 64

Value = float | int | str | bool
"""A hyperparameter's value, as the worker gets it."""


class Scale(StrEnum):
    LINEAR = "linear"
    LOG = "log"


class ValueType(StrEnum):
    """What the worker gets for a category, which in the manifest is always a string."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"


class FloatDomain(ApiModel):
    """Real numbers in [min, max]; with `step`, the grid min, min + step, ..."""

    min: float
    max: float
    scale: Scale = Scale.LINEAR
    step: float | None = None


class IntegerDomain(ApiModel):
    """Whole numbers in [min, max]; with `step`, the grid min, min + step, ..."""

    min: int
    max: int
    scale: Scale = Scale.LINEAR
    step: int | None = None


class CategoricalDomain(ApiModel):
    """One of `values`; `ordered` values have neighbours that a perturbation moves to."""

    values: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_CATEGORIES)]
    type: ValueType = ValueType.STRING
    ordered: bool = False


class Condition(ApiModel):
    """The parameter exists only where the categorical `parameter` has one of the values `in`."""

    parameter: str
    in_: Annotated[tuple[str, ...], Field(alias="in", min_length=1, max_length=MAX_CATEGORIES)]


class Parameter(ApiModel):
    """A hyperparameter: a name and exactly one of `float`, `integer`, `categorical`."""

    name: str
    float_: Annotated[FloatDomain | None, Field(alias="float")] = None
    integer: IntegerDomain | None = None
    categorical: CategoricalDomain | None = None
    mutable: bool = True
    when: Condition | None = None

    @property
    def domain(self) -> FloatDomain | IntegerDomain | CategoricalDomain:
        """The one domain that is given."""
        domain = self.float_ or self.integer or self.categorical
        if domain is None:
            raise ValueError(f"parameter {self.name} has no domain")
        return domain
