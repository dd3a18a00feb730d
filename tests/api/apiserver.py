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

from cel_expr_python import cel

from population_operator.api.schema import Kind, openapi
from tests.api.openapi import PRESERVE, Schema, filled, list_errors, pruned, schema_errors

BLOCKING = ("required", "type", "maxLength", "maxItems", "minItems", "int-or-string")


class ApiServer:
    def __init__(self, kind: Kind) -> None:
        self.schema = openapi(kind)
        self._environment = cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})
        self._programs: dict[str, Any] = {}

    def refusals(self, new: Any, old: Any = None) -> list[str]:
        """Every reason to refuse to create `new`, or to replace `old` by it."""
        try:
            new = json.loads(json.dumps(new, allow_nan=False))
        except ValueError as error:
            return [f"kubectl cannot send it: {error}"]
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
            self._programs[rule] = self._environment.compile(rule)
        known = {"self": new} | ({} if old is None else {"oldSelf": old})
        return self._programs[rule].eval(data=known).value() is True  # an error is text


def as_cel(schema: Schema, value: Any) -> Any:
    """The value as CEL sees it: typed by the schema, without what the schema does not declare."""
    if value is None:
        return None
    match schema.get("type"):
        case "object" if "additionalProperties" in schema:
            inner = schema["additionalProperties"]
            return {key: as_cel(inner, item) for key, item in value.items()}
        case "object":
            known = {
                "__in__" if name == "in" else name: as_cel(inner, value[name])
                for name, inner in schema.get("properties", {}).items()
                if name in value
            }
            if schema.get(PRESERVE):  # equality looks at what is not declared too
                known["(undeclared)"] = json.dumps(value, sort_keys=True)
            return known
        case "array":
            return [as_cel(schema["items"], item) for item in value]
        case "number":
            return float(value)
        case "integer":
            return int(value)
        case _:
            return value
