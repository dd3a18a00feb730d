"""The search space as a user writes it: a list of parameters, each with exactly one domain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from population_operator.api.base import ApiModel, Cel, not_only_one, only_one, rule
from population_operator.api.problems import Problem, quoted, shown
from population_operator.api.scalars import TEXT, Flag, Identifier, Real, Whole

MAX_PARAMETERS = 32
MAX_CATEGORIES = 64

Value = float | int | str | bool
"""A hyperparameter's value, as the worker gets it."""


Category = Annotated[str, Field(min_length=1, max_length=256), TEXT]
SINGLE = "a single value is no search: use one categorical value or drop the parameter"


class Scale(StrEnum):
    LINEAR = "linear"
    LOG = "log"


class ValueType(StrEnum):
    """What the worker gets for a category, which in the manifest is always a string."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"


PATTERNS = {
    ValueType.INTEGER: r"^(0|-?[1-9][0-9]{0,14})$",
    ValueType.FLOAT: r"^-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?$",
    ValueType.BOOLEAN: r"^(true|false)$",
}
"""How the values of a typed categorical are spelled: one spelling for each integer and boolean."""

SPELLINGS = {
    ValueType.INTEGER: "a whole number such as 64",
    ValueType.FLOAT: "a number such as 0.5 or 1e-3",
    ValueType.BOOLEAN: "true or false",
}

INTERVAL_CEL = (
    Cel("self.min != self.max", f"min equals max: {SINGLE}", "max"),
    Cel("self.min <= self.max", "min must be below max", "min"),
    Cel(
        "!has(self.scale) || self.scale != 'log' || self.min > {zero}",
        "must be above 0 on a log scale: raise it, or use `scale: linear`",
        "min",
    ),
    Cel("!has(self.step) || self.step > {zero}", "must be above 0", "step"),
    Cel(
        "!has(self.step) || self.step <= {zero} || self.min >= self.max "
        "|| self.step <= self.max - self.min",
        "must be at most max - min",
        "step",
    ),
    Cel(
        "!has(self.step) || !has(self.scale) || self.scale != 'log'",
        "cannot be combined with `scale: log`: leave one of them out",
        "step",
    ),
)


def _interval_cel(zero: str) -> tuple[Cel, ...]:
    return tuple(one._replace(rule=one.rule.replace("{zero}", zero)) for one in INTERVAL_CEL)


def _interval_problems(domain: FloatDomain | IntegerDomain) -> Iterator[Problem]:
    low, high, step, log = domain.min, domain.max, domain.step, domain.scale is Scale.LOG
    if low == high:
        yield Problem("max", f"equals min ({shown(low)}): {SINGLE}")
    elif low > high:
        yield Problem("min", f"must be below max ({shown(high)}), got {shown(low)}: exchange them?")
    if log and low <= 0:
        advice = "raise it, or use `scale: linear`"
        yield Problem("min", f"must be above 0 on a log scale, got {shown(low)}: {advice}")
    if step is None:
        return
    if step <= 0:
        yield Problem("step", f"must be above 0, got {shown(step)}")
    elif low < high and step > high - low:
        wide = shown(high - low)
        yield Problem("step", f"must be at most max - min ({wide}), got {shown(step)}")
    if log:
        yield Problem("step", "cannot be combined with `scale: log`: leave one of them out")


class FloatDomain(ApiModel):
    """Real numbers in [min, max]; with `step`, the grid min, min + step, ..."""

    min: Annotated[Real, Field(examples=["1.0e-4"])]
    """The lowest value."""
    max: Annotated[Real, Field(examples=["1.0"])]
    """The highest value."""
    scale: Scale = Scale.LINEAR
    """On which scale values are drawn and compared."""
    step: Real | None = None
    """The distance of the values that there are; any value without it."""

    @rule(
        *_interval_cel("0.0"),
        Cel("self.max - self.min < 1.0e308", "max - min must be finite", "max"),
    )
    def _interval(self) -> Iterator[Problem]:
        yield from _interval_problems(self)
        if self.max - self.min >= 1e308:
            yield Problem("max", f"max - min must be finite, got {self.max} and {self.min}")


class IntegerDomain(ApiModel):
    """Whole numbers in [min, max]; with `step`, the grid min, min + step, ..."""

    min: Annotated[Whole, Field(examples=["16"])]
    """The lowest value."""
    max: Annotated[Whole, Field(examples=["512"])]
    """The highest value."""
    scale: Scale = Scale.LINEAR
    """On which scale values are drawn and compared."""
    step: Whole | None = None
    """The distance of the values that there are; 1 without it."""

    @rule(*_interval_cel("0"))
    def _interval(self) -> Iterator[Problem]:
        yield from _interval_problems(self)


class CategoricalDomain(ApiModel):
    """One of `values`; `ordered` values have neighbours that a perturbation moves to."""

    values: Annotated[
        tuple[Category, ...],
        Field(min_length=1, max_length=MAX_CATEGORIES, examples=["[adam, sgd]"]),
        Field(json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """The values, as strings; at most 64."""
    type: ValueType = ValueType.STRING
    """What the worker gets for them."""
    ordered: Flag = False
    """Whether neighbours in the list are near to each other."""

    @rule()
    def _distinct(self) -> Iterator[Problem]:
        yield from repeated(self.values, "values")

    @rule(
        *(
            Cel(
                f"!has(self.type) || self.type != '{kind}' "
                f"|| self.values.all(value, value.matches(r'{pattern}'))",
                f"with `type: {kind}` each value must be {SPELLINGS[kind]}",
                "values",
            )
            for kind, pattern in PATTERNS.items()
        )
    )
    def _spelled(self) -> Iterator[Problem]:
        pattern = PATTERNS.get(self.type)
        for index, value in enumerate(self.values):
            if pattern and not re.fullmatch(pattern, value):
                message = f"must be {SPELLINGS[self.type]} (`type: {self.type}`), got {value!r}"
                yield Problem(f"values[{index}]", message)

    @rule(
        Cel(
            "!has(self.type) || self.type != 'float' || !self.values.all(value, "
            f"value.matches(r'{PATTERNS[ValueType.FLOAT]}')) || self.values.all(value, "
            "self.values.exists_one(other, double(other) == double(value)))",
            "two values are the same number",
            "values",
        )
    )
    def _distinct_numbers(self) -> Iterator[Problem]:
        if self.type is not ValueType.FLOAT or len(set(self.values)) < len(self.values):
            return
        seen: dict[float, str] = {}
        for index, value in enumerate(self.values):
            if not re.fullmatch(PATTERNS[ValueType.FLOAT], value):
                continue
            if (number := float(value)) in seen:
                message = f"is the same number as {seen[number]!r}: give each value once"
                yield Problem(f"values[{index}]", message)
            seen.setdefault(number, value)


class Condition(ApiModel):
    """The parameter exists only where the categorical `parameter` has one of the values `in`."""

    parameter: Annotated[Identifier, Field(examples=["optimizer"])]
    """A categorical parameter without a `when` of its own."""
    in_: Annotated[
        tuple[Category, ...],
        Field(alias="in", min_length=1, max_length=MAX_CATEGORIES, examples=["[sgd]"]),
        Field(json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """The values with which this parameter exists."""

    @rule()
    def _distinct(self) -> Iterator[Problem]:
        yield from repeated(self.in_, "in")


DOMAINS = {"float_": "float", "integer": "integer", "categorical": "categorical"}


class Parameter(ApiModel):
    """A hyperparameter: a name and exactly one of `float`, `integer`, `categorical`.

    With `mutable: false` it is fixed for a lineage: a copy of weights brings it along.
    """

    name: Annotated[Identifier, Field(examples=["lr"])]
    """As the worker knows it."""
    float_: Annotated[FloatDomain | None, Field(alias="float")] = None
    """A real number."""
    integer: IntegerDomain | None = None
    """A whole number."""
    categorical: CategoricalDomain | None = None
    """One of some values."""
    mutable: Flag = True
    """Whether it may change while a member trains."""
    when: Condition | None = None
    """Under which condition it exists; always without it."""

    @property
    def domain(self) -> FloatDomain | IntegerDomain | CategoricalDomain:
        """The one domain that is given."""
        domain = self.float_ or self.integer or self.categorical
        if domain is None:
            raise ValueError(f"parameter {self.name} has no domain")
        return domain

    @rule(only_one(DOMAINS.values(), "domain"))
    def _one_domain(self) -> Iterator[Problem]:
        yield from not_only_one(self, DOMAINS, "domain")

    @rule(
        Cel(
            "!has(self.when) || self.when.parameter != self.name",
            "must name another parameter, not the one that it stands in",
            "when.parameter",
        )
    )
    def _not_when_itself(self) -> Iterator[Problem]:
        if self.when and self.when.parameter == self.name:
            message = "must name another parameter, not the one that it stands in"
            yield Problem("when.parameter", message)


def repeated(values: tuple[str, ...], field: str) -> Iterator[Problem]:
    """Entries that stand in a list for a second time."""
    for index, value in enumerate(values):
        if (first := values.index(value)) < index:
            message = f"repeats {quoted(value)}, which is {field}[{first}]: give each value once"
            yield Problem(f"{field}[{index}]", message)
