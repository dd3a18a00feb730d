"""Pydantic's errors in the words of a manifest: its paths, its types, and what to write instead."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from population_operator.api.problems import (
    Problem,
    join,
    listed,
    nearest,
    shown,
    suggestion,
)
from population_operator.api.scalars import PATTERNS

Location = Sequence[int | str]

_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """All problems of a failed validation of `model`."""
    for detail in error.errors(include_url=False):
        path = spell(detail["loc"])
        context: Mapping[str, Any] = detail.get("ctx", {})
        if detail["type"] == "broken":
            yield from (problem.under(path) for problem in context["problems"])
        elif detail["type"] == "missing":
            yield Problem(path, _missing(detail["loc"], model))
        elif detail["type"] == "extra_forbidden":
            yield Problem(path, _unknown(detail["loc"], model))
        elif not _miscounted(detail, context):
            yield Problem(path, _message(detail, context))


def _miscounted(detail: ErrorDetails, context: Mapping[str, Any]) -> bool:
    """Whether a list seems too short only because its bad entries, told already, do not count."""
    given = detail["input"]
    return (
        detail["type"] == "too_short"
        and isinstance(given, list | tuple | dict)
        and (len(given) >= context["min_length"])
    )


def spell(location: Location) -> str:
    """`('spec', 'parameters', 0, 'name')` as `spec.parameters[0].name`."""
    path = ""
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else join(path, str(part))
    return path


def _missing(location: Location, model: type[BaseModel]) -> str:
    field = fields_of(_at(model, location[:-1])).get(str(location[-1]))
    example = field.examples[0] if field is not None and field.examples else None
    return f"is required, for example `{location[-1]}: {example}`" if example else "is required"


def _unknown(location: Location, model: type[BaseModel]) -> str:
    owner = _at(model, location[:-1])
    known = tuple(fields_of(owner))
    where = spell(location[:-1]) or "the manifest"
    return f"is not a field of {where}: {suggestion(str(location[-1]), known)}"


def _message(detail: ErrorDetails, context: Mapping[str, Any]) -> str:
    value, kind = detail["input"], detail["type"]
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {shown(context[key])}, got {shown(value)}"
    match kind:
        case "refused":
            return str(context["message"])
        case "enum" | "literal_error":
            choices = [word.strip("'") for word in _choices(str(context["expected"]))]
            best = nearest(str(value), choices)
            hint = f": did you mean `{best}`?" if best and isinstance(value, str) else ""
            return f"must be {listed(choices)}, got {shown(value)}{hint}"
        case "string_pattern_mismatch":
            asked = PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
            return f"{asked}, got {shown(value)}"
        case "too_short" | "string_too_short":
            return "must not be empty" if not value else _length(context, "min_length", "at least")
        case "too_long" | "string_too_long":
            return _length(context, "max_length", "at most", value)
        case "tuple_type" | "list_type":
            hint = f": write [{value}]" if isinstance(value, str | int) else ""
            return f"must be a list, got {shown(value)}{hint}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"must be a mapping of fields, got {shown(value)}"
        case _:
            return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, got {shown(value)}"


def _choices(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def _length(context: Mapping[str, Any], key: str, words: str, value: object = "") -> str:
    unit = "characters" if isinstance(value, str) else "entries"
    actual = context.get("actual_length") or (len(value) if isinstance(value, str) else 0)
    return f"must have {words} {context[key]} {unit}" + (f", got {actual}" if actual else "")


# --- which model stands at a path -----------------------------------------------------------------


def fields_of(model: type[BaseModel] | None) -> dict[str, Any]:
    """The model's fields by their spelling in the manifest."""
    if model is None:
        return {}
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The model whose fields stand under `location`, where there is one."""
    found: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            continue
        info = fields_of(found).get(part)
        found = model_in(info.annotation) if info is not None else None
    return found


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `X`, `X | None`, `tuple[X, ...]` or `Annotated[X, ...]`."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, BaseModel) else None
    if get_origin(annotation) in (dict, Mapping):
        return None
    inner = get_args(annotation)
    if get_origin(annotation) not in (Union, types.UnionType, tuple):
        inner = inner[:1]
    return next((found for found in map(model_in, inner) if found is not None), None)


def is_many(annotation: Any) -> bool:
    """Whether `annotation` is a list of models, or may be one."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(map(is_many, inner))
    return origin is tuple or (origin is Annotated and is_many(inner[0]))
