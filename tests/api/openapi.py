"""What the API server does with a structural schema: prune, fill in defaults, check."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"


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
