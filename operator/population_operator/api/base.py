"""What every kind shares: frozen, closed, camelCase models, and rules that span their fields.

A rule is a method that yields problems, and stands next to the CEL expression that says the same
to the API server. `schema.py` collects the expressions, `parse.py` applies the methods even to
what is left of a manifest with other mistakes, so that all of them are told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from population_operator.api.problems import Problem, broken, listed

Check = Callable[[Any], Iterable[Problem]]
CheckT = TypeVar("CheckT", bound=Check)


class Cel(NamedTuple):
    """One entry of `x-kubernetes-validations`; `at` is its fieldPath, without the leading dot."""

    rule: str
    message: str
    at: str = ""

    def entry(self) -> dict[str, str]:
        """As the CRD wants it."""
        path = {"fieldPath": f".{self.at}"} if self.at else {}
        return {"rule": self.rule, "message": self.message, **path}


def rule(*expressions: Cel) -> Callable[[CheckT], CheckT]:
    """Marks a method as a rule; `expressions` are what CEL can say of it, possibly nothing."""

    def mark(check: CheckT) -> CheckT:
        check.__dict__["cel"] = expressions
        return check

    return mark


class ApiModel(BaseModel):
    """A frozen value that refuses fields it does not know, named in camelCase in manifests.

    As on the API server, a field that is null is a field that is not given.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Check, ...]] = ()
    cel: ClassVar[tuple[Cel, ...]] = ()
    """Further expressions: those for which Python's types leave nothing to check."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        own = (member for member in vars(cls).values() if isinstance(member, FunctionType))
        cls.rules = (*cls.rules, *(member for member in own if "cel" in member.__dict__))

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            known = {*cls.model_fields, *(info.alias for info in cls.model_fields.values())}
            kept = (key for key, value in data.items() if value is not None or key not in known)
            return {key: data[key] for key in kept}
        return data

    @model_validator(mode="after")
    def _obey(self) -> Self:
        found = tuple(problem for check in self.rules for problem in check(self))
        if found:
            raise broken(found)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(schema)
        if expressions := cls.expressions():
            resolved = handler.resolve_ref_schema(found)
            resolved["x-kubernetes-validations"] = [one.entry() for one in expressions]
        return found

    @classmethod
    def expressions(cls) -> tuple[Cel, ...]:
        """All that CEL says about this model."""
        return (*(one for check in cls.rules for one in check.__dict__["cel"]), *cls.cel)


def readable(found: Iterable[Problem]) -> Iterator[Problem]:
    """The problems of a rule, up to where it meets a field that could not be read.

    Such a field is missing from a model that `parse.py` salvaged; its own problem is told anyway.
    """
    try:
        yield from found
    except AttributeError:
        return


def only_one(names: Iterable[str], what: str) -> Cel:
    """Exactly one of the optional fields `names` is given."""
    names = tuple(names)
    flags = ", ".join(f"has(self.{name})" for name in names)
    return Cel(f"[{flags}].exists_one(given, given)", f"give exactly one {what}: {listed(names)}")


def not_only_one(model: ApiModel, names: dict[str, str], what: str) -> Iterator[Problem]:
    """The same in Python. `names` maps fields to their spelling in the manifest."""
    given = [spelling for field, spelling in names.items() if getattr(model, field) is not None]
    if not given:
        yield Problem("", f"give exactly one {what}: {listed(names.values())}")
    elif len(given) > 1:
        yield Problem("", f"give exactly one {what}, not {listed(given, 'and')}: keep one of them")
