"""From a document to a `PopulationExperiment`, or to all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from population_operator.api.base import ApiModel, readable
from population_operator.api.experiment import (
    API_VERSION,
    KIND,
    ExperimentSpec,
    PopulationExperiment,
)
from population_operator.api.explain import explain, fields_of, is_many, model_in
from population_operator.api.problems import ManifestError, Problem, join, shown

_IDENTITY = {"apiVersion": API_VERSION, "kind": KIND}


def parse(document: object) -> PopulationExperiment:
    """The experiment in a document as YAML or JSON yields it; a ManifestError has all problems."""
    if not isinstance(document, dict):
        message = f"must be a mapping with `kind: {KIND}`, got {shown(document)}"
        raise ManifestError([Problem("manifest", message)])
    missing = [
        Problem(field, f"is required: write `{field}: {value}`")
        for field, value in _IDENTITY.items()
        if document.get(field) is None
    ]
    try:
        experiment = PopulationExperiment.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        told = (*missing, *explain(error, PopulationExperiment))
        more = _broken_rules(PopulationExperiment, document, "")
        raise ManifestError(_ordered(dict.fromkeys((*told, *more)))) from None
    if missing:
        raise ManifestError(missing)
    return experiment


def _ordered(problems: dict[Problem, None]) -> list[Problem]:
    """Grouped by section, in the order of the manifest's fields; stable within a section."""
    sections = ["apiVersion", "kind", "metadata", *fields_of(ExperimentSpec)]

    def section(problem: Problem) -> int:
        words = problem.path.replace("[", ".").split(".")
        word = words[1] if words[0] == "spec" and len(words) > 1 else words[0]
        return sections.index(word) if word in sections else len(sections)

    return sorted(problems, key=section)


# --- rules on what could be read ------------------------------------------------------------------


def _broken_rules(model: type[ApiModel], raw: dict[str, Any], path: str) -> Iterator[Problem]:
    """The problems that the rules of `model` and of all below it find in what can be read."""
    for spelling, info in fields_of(model).items():
        inner, value = model_in(info.annotation), raw.get(spelling)
        if inner is None or not issubclass(inner, ApiModel):
            continue
        below = join(path, spelling)
        if not is_many(info.annotation):
            if isinstance(value, dict):
                yield from _broken_rules(inner, value, below)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _broken_rules(inner, item, f"{below}[{index}]")
    salvaged, misspelt = _salvage(model, raw), raw.keys() - fields_of(model).keys()
    for check in model.rules:
        for problem in readable(check(salvaged)):
            if problem.path or not misspelt:  # "give one of" adds nothing to "did you mean"
                yield problem.under(path)


def _salvage(model: type[ApiModel], raw: dict[str, Any]) -> ApiModel:
    """`model` without the fields that cannot be read, and without any check that spans fields."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        value = raw.get(info.alias or name)
        if value is None:
            if not info.is_required():
                found[name] = info.get_default(call_default_factory=True)
            continue
        inner = model_in(info.annotation)
        if inner is not None and issubclass(inner, ApiModel):
            if not is_many(info.annotation):
                if isinstance(value, dict):
                    found[name] = _salvage(inner, value)
            elif isinstance(value, list):
                items = (item if isinstance(item, dict) else {} for item in value)
                found[name] = tuple(_salvage(inner, item) for item in items)
            continue
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())
            found[name] = adapter.validate_python(value)
        except ValidationError:
            continue
    salvaged = model.model_construct(**found)
    for name in set(model.model_fields) - set(found):
        salvaged.__dict__.pop(name, None)
    return salvaged
