"""A real Prometheus, configured from the chart's monitors as its operator would do it."""

from __future__ import annotations

import json
import re
import shutil
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import yaml
from tests.apiserver.cluster.control_plane import free_ports
from tests.apiserver.cluster.process import Server

from e2e.cluster import Access
from e2e.discovery import Discovery
from e2e.discovery import label as discovery_label
from e2e.release import CHART, Release

Object = dict[str, Any]
INTERVAL = "2s"
RATE_INTERVAL = "30s"
"""What Grafana puts for $__rate_interval: at least four scrapes."""


@dataclass
class Prometheus:
    """`start`, `numbers`, `stop`. It runs beside the nodes, and reaches Pods by address."""

    cluster: Access
    release: Release
    port: int = field(default_factory=lambda: free_ports(1)[0])
    server: Server = field(init=False)
    discovery: Discovery = field(init=False)

    def start(self) -> None:
        folder = self.cluster.folder / "prometheus"
        folder.mkdir(exist_ok=True)
        self.discovery = Discovery(self.cluster.client, folder)
        self.discovery.start()
        settings = folder / "prometheus.yaml"
        settings.write_text(yaml.safe_dump(self._configuration()))
        self.server = Server(
            [
                shutil.which("prometheus") or "/usr/bin/prometheus",
                f"--config.file={settings}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            self.cluster.folder / "prometheus.log",
        )
        self.server.start()
        self.server.wait_until(self._is_ready, 60)

    def stop(self) -> None:
        self.server.stop()
        self.discovery.stop()

    def numbers(self, expression: str, start: float, end: float) -> list[Object]:
        """The series of the answer that have a value that is a number, between two times."""
        answer = self._get(
            "/api/v1/query_range", query=expression, start=start, end=end, step=INTERVAL
        )
        series: list[Object] = answer["data"]["result"]
        return [one for one in series if any(value != "NaN" for _, value in one["values"])]

    def targets(self) -> set[str]:
        """The jobs of all targets that were scraped well."""
        active = self._get("/api/v1/targets")["data"]["activeTargets"]
        return {one["labels"]["job"] for one in active if one["health"] == "up"}

    def _configuration(self) -> Object:
        rendered = self.release.render(
            **{
                "metrics.serviceMonitor.enabled": "true",
                "metrics.podMonitor.enabled": "true",
                "metrics.serviceMonitor.interval": INTERVAL,
                "metrics.podMonitor.interval": INTERVAL,
            }
        )
        jobs = [
            job
            for one in rendered
            if one["kind"] in ("ServiceMonitor", "PodMonitor")
            for job in scrape_jobs(one, self.discovery)
        ]
        return {"global": {"scrape_timeout": INTERVAL}, "scrape_configs": jobs}

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2):
                return True
        except OSError:
            return False

    def _get(self, path: str, **query: object) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)


def scrape_jobs(monitor: Object, discovery: Discovery) -> list[Object]:
    """A job of Prometheus for each endpoint of a ServiceMonitor or PodMonitor."""
    spec, metadata = monitor["spec"], monitor["metadata"]
    is_pod = monitor["kind"] == "PodMonitor"
    meta = "__meta_kubernetes_pod" if is_pod else "__meta_kubernetes_service"
    names = spec.get("namespaceSelector", {})
    places = names.get("matchNames", [metadata["namespace"]])
    file = str(discovery.file("pod" if is_pod else "endpoints"))
    port = (
        "__meta_kubernetes_pod_container_port_name"
        if is_pod
        else ("__meta_kubernetes_endpoint_port_name")
    )
    jobs = []
    for endpoint in spec["podMetricsEndpoints" if is_pod else "endpoints"]:
        rules = [
            _keep(f"{meta}_label_{discovery_label(name)}", value)
            for name, value in spec["selector"]["matchLabels"].items()
        ]
        rules.append(_keep(port, endpoint["port"]))
        if not names.get("any"):
            rules.append(_one_of("__meta_kubernetes_namespace", places))
        if is_pod:
            ended = {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Failed|Succeeded"}
            rules.append(ended | {"action": "drop"})
        rules += [
            _label("namespace", "__meta_kubernetes_namespace"),
            _label("pod", "__meta_kubernetes_pod_name"),
            _label("container", "__meta_kubernetes_pod_container_name"),
        ]
        if not is_pod:
            rules.append(_label("service", "__meta_kubernetes_service_name"))
        job = {
            "job_name": f"{monitor['kind']}/{metadata['namespace']}/{metadata['name']}",
            "scrape_interval": endpoint["interval"],
            "metrics_path": endpoint.get("path", "/metrics"),
            "honor_labels": endpoint.get("honorLabels", False),
            "file_sd_configs": [{"files": [file], "refresh_interval": "1s"}],
            "relabel_configs": rules + endpoint.get("relabelings", []),
        }
        jobs.append(job)
    return jobs


def panel_queries(**variables: str) -> dict[str, str]:
    """The query behind each panel of the dashboard, by the panel's title, variables filled in."""
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    variables |= {"__rate_interval": RATE_INTERVAL, "__range": "10m", "__interval": "5s"}
    found: dict[str, str] = {}
    waiting = list(dashboard["panels"])
    while waiting:
        panel = waiting.pop()
        waiting += panel.get("panels", [])
        for target in panel.get("targets", []):
            query = re.sub(r"\$\{?(\w+)\}?", lambda it: variables.get(it[1], it[0]), target["expr"])
            found[f"{panel['title']} ({target.get('refId', '')})"] = query
    return found


def alert_series() -> set[str]:
    """The names of all series that an alert reads."""
    return set(re.findall(r"\bpopulation_\w+", (CHART / "files" / "alerts.yaml").read_text()))


def _keep(label: str, value: str) -> Object:
    return _one_of(label, [value])


def _one_of(label: str, values: list[str]) -> Object:
    pattern = "|".join(re.escape(value) for value in values)
    return {"source_labels": [label], "regex": pattern, "action": "keep"}


def _label(target: str, source: str) -> Object:
    return {"source_labels": [source], "target_label": target}
