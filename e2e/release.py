"""The chart, installed as a user installs it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import Access, recipes

CHART = Path(__file__).resolve().parents[1] / "helm" / "population-operator"
NAMESPACE = "population-system"


class HelmFailed(Exception):
    """What Helm wrote to its standard error."""


def values(cluster: Access) -> dict[str, Any]:
    """What a user would write for this cluster."""
    repository, tag = recipes.reference(recipes.OPERATOR).rsplit(":", 1)
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "networkPolicy": {"apiServerPorts": [443, *_api_server_ports(cluster)]},
    }


def _api_server_ports(cluster: Access) -> set[int]:
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    slices = cluster.client.items(path, labelSelector="kubernetes.io/service-name=kubernetes")
    return {port["port"] for one in slices for port in one["ports"]}


@dataclass
class Release:
    """One release of the chart."""

    cluster: Access
    helm: Path
    values: dict[str, Any] = field(default_factory=dict)
    namespace: str = NAMESPACE
    name: str = "population-operator"

    def install(self, chart: Path = CHART) -> None:
        """Also upgrades."""
        values = self.cluster.folder / f"{self.name}-values.json"
        values.write_text(json.dumps(self.values))
        try:
            self.run(
                *("upgrade", "--install", self.name, str(chart)),
                *("--namespace", self.namespace, "--create-namespace"),
                *("--values", str(values), "--wait", "--timeout", "120s"),
            )
        except HelmFailed as error:
            raise HelmFailed(f"{error}\n{self.describe()}") from None

    def test(self) -> str:
        return self.run("test", self.name, "--namespace", self.namespace, "--timeout", "180s")

    def uninstall(self) -> None:
        self.run("uninstall", self.name, "--namespace", self.namespace, "--wait")

    def purge(self) -> None:
        """Uninstalls it, and what it would keep."""
        self.uninstall()
        label = f"app.kubernetes.io/instance={self.name}"
        self.cluster.attempt("delete", "crds", "-l", label, "--timeout=60s")
        self.cluster.attempt("delete", "namespace", self.namespace, "--timeout=60s")

    def render(self, **values: str) -> list[dict[str, Any]]:
        """The objects that the chart would make with more values."""
        sets = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
        text = self.run("template", self.name, str(CHART), "--namespace", self.namespace, *sets)
        return [one for one in yaml.safe_load_all(text) if one]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.helm), *arguments],
            env=self.cluster.environment(),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        if done.returncode:
            raise HelmFailed(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def pods(self) -> list[dict[str, Any]]:
        """The operator's."""
        labels = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=operator"
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return self.cluster.client.items(path, labelSelector=labels)

    def describe(self) -> str:
        """For the report of a test that failed."""
        scope = ("--namespace", self.namespace)
        return "\n".join(
            self.cluster.attempt(*scope, *arguments)
            for arguments in (
                ("get", "pods", "-o", "wide"),
                ("get", "events", "--sort-by=.lastTimestamp"),
                ("logs", "--all-pods", "--prefix", "--tail=60", "deployment/" + self.name),
            )
        )
