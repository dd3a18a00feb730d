"""From pydantic's JSON schema to a structural OpenAPI v3 schema, as a CRD must have it.

No `$ref`, no `anyOf` with null, no `title`; bounds in OpenAPI's older form. A field that may be
absent is simply not required: the API server prunes a null before it looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_COPIED = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
)
_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def structural(model: type[BaseModel]) -> Schema:
    """The schema of `model` for a CRD."""
    schema = model.model_json_schema(mode="validation")
    return _node(schema, schema.get("$defs", {}))


def _node(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    schema = _resolved(schema, definitions)
    node: Schema = {key: schema[key] for key in _COPIED if key in schema}
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if node.get("type") == "integer":
        node.setdefault("format", "int64")
    for bound, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in schema:
            node |= {plain: schema[bound], bound: True}
    if (default := _present(schema.get("default"))) not in (None, [], ""):
        node["default"] = default
    if "items" in schema:
        node["items"] = _node(schema["items"], definitions)
    node |= _children(schema, definitions)
    extensions = {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    return {**node, **extensions}


def _children(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The part of the node that says what a mapping holds."""
    node: Schema = {}
    if schema.get("properties"):
        properties = schema["properties"].items()
        node["properties"] = {name: _node(inner, definitions) for name, inner in properties}
    further = schema.get("additionalProperties")
    if further is True:
        node[_PRESERVE] = True
    elif isinstance(further, dict):
        node["additionalProperties"] = _node(further, definitions)
    return node


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """`schema` with its references and its `anyOf` with null replaced by what they stand for.

    What a field says of itself goes before what its type says.
    """
    if "$ref" in schema:
        own = {key: value for key, value in schema.items() if key != "$ref"}
        name = schema["$ref"].removeprefix("#/$defs/")
        return _resolved({**definitions[name], **own}, definitions)
    if "anyOf" in schema:
        choices = [one for one in schema["anyOf"] if one.get("type") != "null"]
        if len(choices) != 1:
            raise ValueError(f"a structural schema has one type for each field: {choices}")
        own = {key: value for key, value in schema.items() if key != "anyOf"}
        return _resolved({**choices[0], **own}, definitions)
    return schema


def _present(value: Any) -> Any:
    """A default without the fields that are not given."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item not in (None, [], {})}
    return value
