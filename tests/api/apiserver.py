"""What an API server says of an object: schema, list types and CEL rules of a CRD, in Python.

The order is the server's: unknown fields are named, nulls are pruned, defaults filled in, the
schema is checked, and only where no field is missing, too long or of a wrong type, CEL runs. It
was compared once with the server's own packages on every manifest here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import celpy
import jsonschema
from celpy.celtypes import BoolType

from population_operator.api.schema import Kind, openapi

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
BLOCKING = ("required", "type", "maxLength", "maxItems", "minItems", "int-or-string")


class ApiServer:
    def __init__(self, kind: Kind) -> None:
        self.schema = openapi(kind)
        self._environment = celpy.Environment()
        self._programs: dict[str, Any] = {}

    def refusals(self, new: Any, old: Any = None) -> list[str]:
        """Every reason to refuse to create `new`, or to replace `old` by it."""
        new = copy.deepcopy(new)
        unknown = [f"{path}: unknown field" for path in pruned(self.schema, new)]
        filled(self.schema, new)
        errors = list(schema_errors(self.schema, new))
        found = [*unknown, *(message for _, message in errors), *list_errors(self.schema, new)]
        if any(kind in BLOCKING for kind, _ in errors):
            return found
        if old is not None:
            old = copy.deepcopy(old)
            pruned(self.schema, old)
            filled(self.schema, old)
        return [*found, *self._cel(self.schema, new, old, "")]

    def _cel(self, schema: Schema, new: Any, old: Any, path: str) -> Iterator[str]:
        for entry in schema.get("x-kubernetes-validations", ()):
            if "oldSelf" in entry["rule"] and old is None:
                continue
            if not self._holds(entry["rule"], as_cel(schema, new), as_cel(schema, old)):
                yield f"{path}{entry.get('fieldPath', '')}: {entry['message']}"
        if isinstance(new, dict):
            for name, inner in schema.get("properties", {}).items():
                if name in new:
                    before = old.get(name) if isinstance(old, dict) else None
                    yield from self._cel(inner, new[name], before, f"{path}.{name}")
        elif isinstance(new, list):
            for index, item in enumerate(new):
                yield from self._cel(schema["items"], item, None, f"{path}[{index}]")

    def _holds(self, rule: str, new: Any, old: Any) -> bool:
        if rule not in self._programs:
            self._programs[rule] = self._environment.program(self._environment.compile(rule))
        known = {"self": new} | ({} if old is None else {"oldSelf": old})
        try:
            return self._programs[rule].evaluate(known) == BoolType(True)
        except celpy.CELEvalError:
            return False


def as_cel(schema: Schema, value: Any) -> Any:
    """The value as CEL sees it: typed by the schema, without what the schema does not declare."""
    if value is None:
        return None
    match schema.get("type"):
        case "object" if "additionalProperties" in schema:
            inner = schema["additionalProperties"]
            return celpy.json_to_cel({key: as_cel(inner, item) for key, item in value.items()})
        case "object":
            known = {
                "__in__" if name == "in" else name: as_cel(inner, value[name])
                for name, inner in schema.get("properties", {}).items()
                if name in value
            }
            if schema.get(PRESERVE):  # equality looks at what is not declared too
                known["(undeclared)"] = json.dumps(value, sort_keys=True)
            return celpy.json_to_cel(known)
        case "array":
            return celpy.json_to_cel([as_cel(schema["items"], item) for item in value])
        case "number":
            return celpy.json_to_cel(float(value))
        case "integer":
            return celpy.json_to_cel(int(value))
        case _:
            return celpy.json_to_cel(value)


def pruned(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Removes unknown fields and nulls from `value`; names the unknown fields."""
    return iter(list(_prune(schema, value, path)))


def _prune(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _prune(schema["items"], item, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    properties = schema.get("properties", {})
    for name in list(value):
        if name in properties:
            if value[name] is None:
                del value[name]
            else:
                yield from _prune(properties[name], value[name], f"{path}.{name}")
        elif "additionalProperties" in schema:
            yield from _prune(schema["additionalProperties"], value[name], f"{path}.{name}")
        elif not schema.get(PRESERVE) and path != ".metadata":
            del value[name]
            yield f"{path}.{name}"


def filled(schema: Schema, value: Any) -> None:
    """Fills in defaults."""
    if isinstance(value, list) and "items" in schema:
        for item in value:
            filled(schema["items"], item)
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if "default" in inner and name not in value:
                value[name] = copy.deepcopy(inner["default"])
            if name in value:
                filled(inner, value[name])


def plain(schema: Schema) -> Schema:
    """The schema for `jsonschema`, which knows neither int-or-string nor boolean bounds."""
    found = {key: item for key, item in schema.items() if not key.startswith("x-")}
    for bound, value in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if found.pop(bound, False):
            found[bound] = found.pop(value)
    if schema.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
    if "properties" in found:
        found["properties"] = {name: plain(one) for name, one in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in found:
            found[key] = plain(found[key])
    return found


def schema_errors(schema: Schema, value: Any) -> Iterator[tuple[str, str]]:
    for error in jsonschema.Draft202012Validator(plain(schema)).iter_errors(value):
        yield str(error.validator), f"{error.json_path}: {error.message}"


def list_errors(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Duplicates in lists that are sets or maps."""
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            yield from list_errors(inner, value.get(name), f"{path}.{name}")
    if isinstance(value, list):
        keys = schema.get("x-kubernetes-list-map-keys")
        items = [
            json.dumps([item.get(key) for key in keys] if keys and isinstance(item, dict) else item)
            for item in value
        ]
        if schema.get("x-kubernetes-list-type") in ("set", "map") and len(set(items)) < len(items):
            yield f"{path}: duplicate entries"
        for index, item in enumerate(value):
            yield from list_errors(schema.get("items", {}), item, f"{path}[{index}]")
