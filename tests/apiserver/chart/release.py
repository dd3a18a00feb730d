"""A release in a restricted namespace, and what is left of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.apiserver.cluster import Cluster
from tests.chart.helm import CHART, Helm, Object

CHECKOUT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
IMAGE = "population-operator:0.1.0"
ON_THIS_MACHINE: Object = {
    "extraEnv": [
        {
            "name": "POPULATION_OPERATOR_HOST",
            "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
        }
    ]
}
KINDS = (
    "serviceaccounts,secrets,configmaps,services,deployments,jobs,pods,roles,rolebindings,"
    "poddisruptionbudgets,networkpolicies,leases"
)
CLUSTER_KINDS = "clusterroles,clusterrolebindings,customresourcedefinitions"


@dataclass
class Release:
    """`pop`, in a restricted namespace."""

    helm: Helm
    cluster: Cluster
    namespace: str
    folder: Path

    def install(self, **values: object) -> None:
        """Or upgrade; waits until every replica is ready."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(ON_THIS_MACHINE | values))
        where = ("--namespace", self.namespace, "--values", str(file))
        self.helm(
            "upgrade", "--install", "pop", str(CHART), *where, "--wait", "--timeout=60s", seconds=90
        )

    def run(self, *arguments: str) -> str:
        return self.helm(*arguments, "--namespace", self.namespace, "--timeout=120s", seconds=150)

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        where = f"--namespace={namespace or self.namespace}"
        found: Object = json.loads(self.cluster.kubectl("get", kind, name, where, "-o", "json"))
        return found

    def all(self) -> set[str]:
        """Everything with our label or in our namespace, but what each namespace has."""
        inside = self.cluster.kubectl("get", KINDS, f"--namespace={self.namespace}", "-o", "name")
        outside = self.cluster.kubectl("get", CLUSTER_KINDS, "-o", "name")
        usual = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
        ours = {one for one in outside.split() if "population" in one}
        return (set(inside.split()) | ours) - usual

    def submit(self, namespace: str, **storage: str) -> None:
        """The triangle example, on whose claim nobody can train."""
        body = yaml.safe_load((CHECKOUT / "examples/triangle/experiment.yaml").read_text())
        body["spec"]["storage"] |= storage
        self.cluster.kubectl("apply", f"--namespace={namespace}", "-f", "-", stdin=yaml.dump(body))
