"""What the chart renders to, over a matrix of values, against snapshots.

`UPDATE_SNAPSHOTS=1 pytest tests/chart/test_render.py` writes them anew; the diff is what to read.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CHART, Helm, HelmFailed
from tests.chart.matrix import MATRIX

SNAPSHOTS = Path(__file__).parent / "snapshots"


def normalized(text: str) -> str:
    """Without what is random, what stands in a file that another test compares, and blank lines."""
    text = re.sub(r"(?m)^  master: \S+$", "  master: RANDOM", text)
    text = re.sub(
        r"(?ms)^(  (?:population-operator\.json|train\.py): \|\n).*?(?=^---|\Z)", r"\1", text
    )
    parts = sorted(re.split(r"(?m)^---\n", text))
    kept = [part for part in parts if "kind: CustomResourceDefinition" not in part]
    return "---\n".join(re.sub(r"\n\s*\n+", "\n", part) for part in kept if part.strip())


@pytest.mark.parametrize("name", MATRIX)
def test_snapshot(helm: Helm, name: str) -> None:
    found, file = normalized(helm.text(MATRIX[name])), SNAPSHOTS / f"{name}.yaml"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(found)
    assert found == file.read_text(), "see the docstring of this file"


@pytest.mark.parametrize("name", MATRIX)
def test_helm_3_renders_the_same(helm: Helm, helm3: Helm, name: str) -> None:
    assert normalized(helm3.text(MATRIX[name])) == normalized(helm.text(MATRIX[name]))


@pytest.mark.parametrize("name", MATRIX)
def test_lint(helm: Helm, name: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(MATRIX[name]))
    assert "0 chart(s) failed" in helm("lint", "--strict", "--values", str(values), str(CHART))


def test_helm_3_lints(helm3: Helm) -> None:
    assert "0 chart(s) failed" in helm3("lint", "--strict", str(CHART))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("replica=2", "replica"),
        ("logLevel=loud", "logLevel"),
        ("watchNamespaces={Team}", "watchNamespaces"),
        ("image.digest=latest", "digest"),
        ("metrics.podMonitor.interval=often", "interval"),
        ("networkPolicy.workers.enabled=true", "networkPolicy.workers.namespaces"),
    ],
)
def test_a_mistake_is_named(helm: Helm, setting: str, told: str) -> None:
    with pytest.raises(HelmFailed, match=told):
        helm("template", "pop", str(CHART), "--set", setting)


def test_every_value_is_in_the_schema_and_nothing_else() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare(value: object, described: dict[str, object], where: str) -> None:
        properties = described.get("properties")
        if isinstance(value, dict) and isinstance(properties, dict):
            assert set(value) | ({"global"} & set(properties)) == set(properties), where
            for key, one in value.items():
                compare(one, properties[key], f"{where}.{key}")

    without = {k: v for k, v in values.items() if k != "resources"}
    del schema["properties"]["resources"]
    compare(without, schema, "values")
