"""The CRDs: current, structural, within the limits that CEL needs, with what kubectl shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from population_operator.api.schema import KINDS, Kind, crd, openapi
from population_operator.app import crds
from tests.api.openapi import plain

ROOT = Path(__file__).parents[2]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
ALLOWED = {
    "additionalProperties", "default", "description", "enum", "exclusiveMaximum",
    "exclusiveMinimum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "pattern", "properties", "required",
    "type", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
    PRESERVE, "x-kubernetes-validations",
}  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if key in schema:
            yield from nodes(schema[key], path + mark)


def test_the_files_are_current() -> None:
    assert crds.stale(ROOT / "crds") == []
    assert crds.main(["--output", str(ROOT / "crds"), "--check"]) == 0


def test_a_stale_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crds.main(["--output", str(tmp_path)]) == 0
    (tmp_path / KINDS[0].file).write_text("old")
    (tmp_path / "extra.yaml").write_text("{}")
    assert crds.main(["--output", str(tmp_path), "--check"]) == 1
    told = capsys.readouterr().err
    assert KINDS[0].file in told and "extra.yaml" in told and "--output crds" in told


@kinds
def test_the_schema_is_structural(kind: Kind) -> None:
    for path, node in nodes(openapi(kind)):
        assert set(node) <= ALLOWED, path
        assert "type" in node or node.get("x-kubernetes-int-or-string") or node.get(PRESERVE), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert set(node.get("required", ())) <= set(node.get("properties", {})), path
        if node.get("type") == "array":
            assert "items" in node, path
        if node.get("x-kubernetes-list-type") == "map":
            for key in node["x-kubernetes-list-map-keys"]:
                assert key in node["items"]["required"], path
        if node.get("x-kubernetes-list-type") == "set":
            assert node["items"]["type"] == "string", path


@kinds
def test_rules_stand_on_typed_nodes_and_say_what_is_wrong(kind: Kind) -> None:
    for path, node in nodes(openapi(kind)):
        for rule in node.get("x-kubernetes-validations", ()):
            assert node["type"] == "object", path
            assert set(rule) <= {"rule", "message", "fieldPath"}, path
            assert rule["message"] and len(rule["message"]) <= 2048 and "\n" not in rule["message"]
            inner = node
            for part in rule.get("fieldPath", "").split(".")[1:]:
                inner = inner["properties"][part]


@kinds
def test_what_rules_look_at_is_bounded(kind: Kind) -> None:
    """The cost of a rule is estimated from these limits, outside the free parts of templates."""
    for path, node in nodes(openapi(kind)["properties"]["spec"]):
        if "emplate" in path or "validations" in path:
            continue
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "string" and "enum" not in node:
            assert "maxLength" in node, path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path


@kinds
def test_defaults_are_valid_and_hold_no_null(kind: Kind) -> None:
    for path, node in nodes(openapi(kind)):
        if "default" in node:
            assert (
                list(jsonschema.Draft202012Validator(plain(node)).iter_errors(node["default"]))
                == []
            )
            assert "null" not in yaml.safe_dump(node["default"]), path


@kinds
def test_everything_that_a_user_writes_is_described(kind: Kind) -> None:
    for path, node in nodes(openapi(kind)):
        if path.startswith(".spec") and "[]" not in path[-2:] and ".*" not in path[-2:]:
            assert node.get("description"), f"{kind.name}{path} has no description"


@kinds
def test_every_rule_is_cel(kind: Kind) -> None:
    cel = pytest.importorskip("cel_expr_python.cel", reason="cel-expr-python is not installed")
    kinds_of_value = cel.Type
    variables = {"self": kinds_of_value.DYN, "oldSelf": kinds_of_value.DYN}
    environment = cel.NewEnv(variables=variables)
    for _, node in nodes(openapi(kind)):
        for rule in node.get("x-kubernetes-validations", ()):
            assert environment.compile(rule["rule"]).return_type() == kinds_of_value.BOOL


def test_what_kubectl_shows() -> None:
    by_name = {kind.name: crd(kind)["spec"] for kind in KINDS}
    experiment, member = by_name["PopulationExperiment"], by_name["PopulationMember"]
    journal = by_name["PopulationJournal"]
    assert [spec["names"]["shortNames"] for spec in (experiment, member, journal)] == [
        ["pexp"],
        ["pmem"],
        ["pjour"],
    ]
    assert experiment["names"]["categories"] == member["names"]["categories"] == ["all"]
    columns = {
        name: [
            (column["name"], column.get("priority", 0))
            for column in spec["versions"][0]["additionalPrinterColumns"]
        ]
        for name, spec in by_name.items()
    }
    shown = [name for name, priority in columns["PopulationExperiment"] if priority == 0]
    assert shown == ["Phase", "Algorithm", "Ready", "Members", "Step", "Best", "Age"]
    assert ("Hyperparameters", 1) in columns["PopulationMember"]
    assert experiment["versions"][0]["subresources"] == {"status": {}}


@kinds
def test_columns_point_into_the_schema(kind: Kind) -> None:
    schema = openapi(kind)
    for column in kind.columns:
        inner = schema
        for part in re.sub(r"\[\?\(.*?\)\]", ".[]", column.path).split(".")[1:]:
            if part in ("metadata", "creationTimestamp"):
                break
            inner = inner["items"] if part == "[]" else inner["properties"][part]
