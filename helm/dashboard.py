"""Writes the Grafana dashboard of the chart: `python helm/dashboard.py` (`make dashboard`).

A panel is a title, a unit and its queries; everything else is the same for all. Members take turns
on workers, so series are joined by member, not by Pod.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FILE = Path(__file__).parent / "population-operator" / "files" / "dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
EXPERIMENT = 'namespace="$namespace", experiment="$experiment"'
RATE = "[$__rate_interval]"


def query(expression: str, legend: str = "") -> Json:
    return {"expr": expression, "legendFormat": legend, "datasource": SOURCE}


def panel(title: str, *queries: Json, kind: str = "timeseries", unit: str = "short") -> Json:
    """One panel; `place` gives it its id and its position."""
    targets = [one | {"refId": chr(ord("A") + number)} for number, one in enumerate(queries)]
    defaults: Json = {"unit": unit}
    options: Json = {}
    if kind == "timeseries":
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 5, "spanNulls": True}
        options = {"tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "table":
        targets = [one | {"format": "table", "instant": True} for one in targets]
    return {
        "title": title,
        "type": kind,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def custom(panel: Json, **settings: Any) -> Json:
    """The same panel, drawn differently."""
    panel["fieldConfig"]["defaults"]["custom"] |= settings
    return panel


def stacked(panel: Json, mode: str = "normal") -> Json:
    return custom(panel, stacking={"mode": mode}, fillOpacity=40)


def logarithmic(panel: Json) -> Json:
    return custom(panel, scaleDistribution={"type": "log", "log": 10})


def by_member(metric: str, more: str = "") -> Json:
    return query(f"max by (member) ({metric}{{{EXPERIMENT}{more}}})", "{{member}}")


def quantiles(metric: str) -> tuple[Json, Json]:
    rate = f"sum by (le) (rate(population_operator_{metric}_seconds_bucket{RATE}))"
    return (
        query(f"histogram_quantile(0.5, {rate})", "median"),
        query(f"histogram_quantile(0.99, {rate})", "99 %"),
    )


def rate_by(label: str, metric: str) -> Json:
    rate = f"sum by ({label}) (rate(population_operator_{metric}_total{RATE}))"
    return query(rate, f"{{{{{label}}}}}")


def stats() -> list[Json]:
    score = f"population_report_score{{{EXPERIMENT}}}"
    step = f"population_report_step{{{EXPERIMENT}}}"
    members = f"count(count by (member) ({step}))"
    return [
        panel("Highest score", query(f"max({score})"), kind="stat"),
        panel("Lowest score", query(f"min({score})"), kind="stat"),
        panel("Farthest step", query(f"max({step})"), kind="stat"),
        panel("Members on a worker", query(members), kind="stat"),
        panel(
            "Workers that wait",
            query(f"sum(population_waiting{{{EXPERIMENT}}})"),
            kind="stat",
        ),
        panel(
            "Time spent training",
            query(
                f'sum(population_seconds_total{{{EXPERIMENT}, activity="train"}})'
                f" / sum(population_seconds_total{{{EXPERIMENT}}})"
            ),
            kind="stat",
            unit="percentunit",
        ),
    ]


def population() -> list[Json]:
    parameter = panel("$parameter", by_member("population_hyperparameter", ', name="$parameter"'))
    metric = panel("$metric", by_member("population_metric", ', name="$metric"'))
    text = f"count by (name, value) (population_hyperparameter_info{{{EXPERIMENT}}})"
    return [
        panel("Score", by_member("population_report_score")),
        panel("Step", by_member("population_report_step")),
        logarithmic(parameter | {"repeat": "parameter", "maxPerRow": 2}),
        metric | {"repeat": "metric", "maxPerRow": 2},
        panel("Hyperparameters that are text", query(text, "{{name}} = {{value}}")),
    ]


def workers() -> list[Json]:
    seconds = f"rate(population_seconds_total{{{EXPERIMENT}}}{RATE})"
    overhead = f'rate(population_seconds_total{{{EXPERIMENT}, activity!="train"}}{RATE})'
    moved = f"rate(population_checkpoint_bytes_total{{{EXPERIMENT}}}{RATE})"
    return [
        stacked(
            panel(
                "What workers spend their time on",
                query(f"sum by (activity) ({seconds})", "{{activity}}"),
                unit="percentunit",
            ),
            "percent",
        ),
        panel(
            "Seconds waiting, saving, restoring, by member",
            query(f"sum by (member, activity) ({overhead})", "{{member}} {{activity}}"),
            unit="percentunit",
        ),
        panel(
            "Checkpoint bytes (copy: exploits)",
            query(f"sum by (activity) ({moved})", "{{activity}}"),
            unit="Bps",
        ),
        panel("Last checkpoint's step", by_member("population_checkpoint_step")),
        panel("Directive", by_member("population_directive_id")),
    ]


def operator() -> list[Json]:
    requests = f"sum(rate(population_operator_api_requests_total{RATE}))"
    passes = f"sum(rate(population_operator_reconciles_total{RATE}))"
    failed = f"sum(rate(population_operator_failures_total{RATE}))"
    decisions = f"sum by (algorithm, kind) (rate(population_operator_decisions_total{RATE}))"
    exploits = f'sum(increase(population_operator_decisions_total{{kind="exploit"}}{RATE}))'
    gone = f"sum by (cause) (increase(population_operator_workers_gone_total{RATE}))"
    charged = f"sum by (cause) (increase(population_operator_member_failures_total{RATE}))"
    return [
        panel("Leader", query("population_operator_leader", "{{pod}}")),
        stacked(
            panel(
                "Experiments",
                query("sum by (phase) (population_operator_experiments)", "{{phase}}"),
            )
        ),
        stacked(
            panel("Workers", query("sum by (state) (population_operator_workers)", "{{state}}"))
        ),
        panel("Decisions", query(decisions, "{{algorithm}} {{kind}}"), unit="ops"),
        panel("Exploits", query(exploits, "exploits")),
        panel(
            "Reports taken in",
            query(f"sum(rate(population_operator_reports_total{RATE}))", "reports"),
            unit="ops",
        ),
        panel("Passes", query(passes, "passes"), query(failed, "failed"), unit="ops"),
        panel("Seconds of a pass", *quantiles("reconcile"), unit="s"),
        panel("Seconds to journal a decision", *quantiles("journal_append"), unit="s"),
        panel("Event loop's delay", *quantiles("event_loop_lag"), unit="s"),
        panel("Experiments that wait", query("sum(population_operator_queue_depth)", "waiting")),
        panel(
            "API requests",
            query(requests, "all"),
            rate_by("code", "api_errors"),
            unit="reqps",
        ),
        panel("Workers gone", query(gone, "{{cause}}")),
        panel("Failures charged to members", query(charged, "{{cause}}")),
    ]


def place(rows: list[tuple[str, list[Json], int, int]]) -> list[Json]:
    """Rows of panels, each so wide and high (of 24), from left to right."""
    placed: list[Json] = []
    y = 0
    for title, panels, width, height in rows:
        placed.append({"title": title, "type": "row", "collapsed": False, "panels": []})
        placed[-1]["gridPos"] = {"x": 0, "y": y, "w": 24, "h": 1}
        y += 1
        per_line = 24 // width
        for number, one in enumerate(panels):
            line, column = divmod(number, per_line)
            at = {"x": column * width, "y": y + line * height, "w": width, "h": height}
            placed.append(one | {"gridPos": at})
        y += -(-len(panels) // per_line) * height
    return [one | {"id": number} for number, one in enumerate(placed, 1)]


def variable(name: str, label: str, values: str, many: bool = False) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": values, "refId": name},
        "definition": values,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "current": {"text": ["All"], "value": ["$__all"]} if many else {},
    }


def dashboard() -> Json:
    namespaces = "label_values(population_report_step, namespace)"
    experiments = 'label_values(population_report_step{namespace="$namespace"}, experiment)'
    parameters = f"label_values(population_hyperparameter{{{EXPERIMENT}}}, name)"
    metrics = f"label_values(population_metric{{{EXPERIMENT}}}, name)"
    source = {"name": "datasource", "label": "Data", "type": "datasource", "query": "prometheus"}
    return {
        "title": "Population Operator",
        "uid": "population-operator",
        "tags": ["population-operator"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                source,
                variable("namespace", "Namespace", namespaces),
                variable("experiment", "Experiment", experiments),
                variable("parameter", "Hyperparameters", parameters, many=True),
                variable("metric", "Metrics", metrics, many=True),
            ]
        },
        "panels": place(
            [
                ("Experiment $experiment", stats(), 4, 4),
                ("Population", population(), 12, 9),
                ("Its workers", workers(), 8, 8),
                ("Operator", operator(), 8, 7),
            ]
        ),
    }


def rendered() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(rendered())
