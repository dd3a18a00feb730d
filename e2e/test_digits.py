"""What the README promises: install, apply, wait; and what Prometheus and Grafana show of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import pytest
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.operator_process import until

from e2e import monitoring, workload
from e2e.cluster import Access, Cluster, settings
from e2e.monitoring import Prometheus
from e2e.release import Release

SECONDS = 1200


@pytest.fixture
def prometheus(cluster: Access, release: Release) -> Iterator[Prometheus | None]:
    """None where Pods cannot be reached from here."""
    if not isinstance(cluster, Cluster):
        yield None
        return
    server = Prometheus(cluster, release)
    server.start()
    yield server
    server.stop()


@pytest.mark.skipif(
    settings.is_existing() and not settings.are_published(),
    reason="the image over a base made here has no PyTorch: E2E_BASES=published",
)
@pytest.mark.timeout(SECONDS + 120, func_only=True)
def test_digits_on_three_gpus_of_two_nodes(
    cluster: Access, namespace: Namespace, prometheus: Prometheus | None
) -> None:
    began = time.time()
    body = workload.digits()
    # One that is text, which no code reads: the dashboard has a panel for such.
    body["spec"]["parameters"].append({"name": "note", "categorical": {"values": ["a", "b"]}})
    experiment = workload.apply(cluster, namespace, body)
    cluster.kubectl(
        *("wait", "--for=condition=Complete", "pexp/digits", "-n", namespace.name),
        f"--timeout={SECONDS}s",
        seconds=SECONDS + 10,
    )
    assert experiment.status()["best"]["metrics"]["test_accuracy"] >= 0.96
    experiment.check()
    assert "all of them follow" in workload.population(
        cluster, "verify", "digits", "-n", namespace.name
    )
    if prometheus is None:
        return
    queries = monitoring.panel_queries(
        namespace=namespace.name, experiment="digits", parameter="lr", metric="test_accuracy"
    )
    queries |= {name: name for name in monitoring.alert_series()}
    ended = 'population_operator_experiments_ended_total{phase="Complete"} > 0'
    until(lambda: prometheus.numbers(ended, began, time.time()), "the end was scraped", 30)
    assert unanswered(prometheus, queries, began) == []


def unanswered(prometheus: Prometheus, queries: Mapping[str, str], since: float) -> list[str]:
    """Names of the queries for which there is no number since then."""
    now = time.time()
    return [name for name, query in queries.items() if not prometheus.numbers(query, since, now)]
