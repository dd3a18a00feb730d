"""What the README promises: install, apply, wait."""

from __future__ import annotations

from tests.apiserver.conftest import Namespace

from e2e import workload
from e2e.cluster import Cluster


def test_digits_on_three_gpus_of_two_nodes(cluster: Cluster, namespace: Namespace) -> None:
    body = workload.manifest(
        "digits",
        population={"size": 6, "parallelism": 3, "seed": 0},
        schedule={"interval": 60, "maxSteps": 600, "synchronous": True},
    )
    experiment = workload.apply(cluster, namespace, body)
    cluster.kubectl(
        *("wait", "--for=condition=Complete", "pexp/digits", "-n", namespace.name),
        "--timeout=240s",
        seconds=250,
    )
    best = experiment.status()["best"]
    assert best["metrics"]["test_accuracy"] >= 0.96
    assert {pod["spec"]["nodeName"] for pod in experiment.pods()} <= {"node-0", "node-1"}
    experiment.check()
    assert "all of them follow" in workload.population(
        cluster, "verify", "digits", "-n", namespace.name
    )
