"""Alerts and the dashboard read series that exist; each alert fires in its story alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry

from population_operator.app.operator.metrics import Metrics
from population_operator.app.operator.server import Health, OperatorMetrics
from population_worker.metrics import Snapshot, SnapshotCollector, Telemetry
from tests.chart.helm import FILES

ROOT = Path(__file__).parents[2]
STORIES = Path(__file__).parent / "alerts.yaml"
SERIES = re.compile(r"\bpopulation_[a-z_]+\b")
OPERATING = ROOT / "docs" / "operating.md"


def series() -> set[str]:
    """What the operator and a worker really export, once everything has happened once."""
    metrics = Metrics()
    metrics.decisions.labels("pbt", "exploit").inc()
    client = SimpleNamespace(requests=1, errors={"503": 1})
    controller = SimpleNamespace(
        reconciler=SimpleNamespace(states={}),
        queue=[],
        started={},
        reconciles=1,
        failures=0,
        client=client,
        views=SimpleNamespace(writes=1),
        metrics=metrics,
    )
    telemetry = Telemetry("e")
    telemetry.snapshot = Snapshot(
        "e",
        "m0",
        1,
        10,
        0.5,
        10,
        False,
        {"lr": 0.1, "optimizer": "sgd"},
        {"loss": 1.0},
        {"train": 1.0},
        {"copy": 1},
    )
    collectors = (
        OperatorMetrics(Health(cast(Any, controller))),
        SnapshotCollector(telemetry, CollectorRegistry()),
    )
    return {
        sample.name
        for collector in collectors
        for metric in collector.collect()
        for sample in metric.samples
    }


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    """Each panel's title and query, and the variables'."""
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]


def test_every_alert_reads_series_that_exist() -> None:
    there = series()
    for rule in alerts():
        assert set(SERIES.findall(rule["expr"])) <= there, rule["alert"]


def test_every_panel_reads_series_that_exist() -> None:
    there, count = series(), 0
    for title, expression in queries():
        named = set(SERIES.findall(expression))
        assert named, title
        assert named <= there, title
        count += 1
    assert count > 30


def test_every_alert_has_its_advice() -> None:
    text = OPERATING.read_text()
    assert [r["alert"] for r in alerts() if f"`{r['alert']}`" not in text] == []


def test_every_alert_has_a_story() -> None:
    stories = yaml.safe_load(STORIES.read_text())["tests"]
    fired: set[str] = set()
    silent: set[str] = set()
    for story in stories:
        for case in story["alert_rule_test"]:
            (fired if case.get("exp_alerts") else silent).add(case["alertname"])
    names = {rule["alert"] for rule in alerts()}
    assert fired == names
    assert silent == names


def promtool(*arguments: str, cwd: Path) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool (Debian's package `prometheus` has it)")
    done = subprocess.run(
        [program, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", "alerts.yaml", cwd=FILES)


def test_alerts_fire_in_their_stories(tmp_path: Path) -> None:
    shutil.copy(FILES / "alerts.yaml", tmp_path / "rules.yaml")
    shutil.copy(STORIES, tmp_path)
    promtool("test", "rules", "alerts.yaml", cwd=tmp_path)


def test_promtool_accepts_every_panel(tmp_path: Path) -> None:
    # As recording rules: the only way to have promtool parse an expression without a server.
    plain = [
        (title, re.sub(r"\$__rate_interval", "5m", expression))
        for title, expression in queries()
        if not expression.startswith("label_values")
    ]
    rules = [{"record": f"panel:{number}", "expr": one} for number, (_, one) in enumerate(plain)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file.name, cwd=tmp_path)
