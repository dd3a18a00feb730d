"""The operator, the API server or its store is away for a while; workers train on."""

from __future__ import annotations

import pytest
from tests.apiserver.experiments.operator_process import until

from e2e.chaos import faults
from e2e.chaos.conftest import Start


def test_the_operator_is_killed(start: Start) -> None:
    """Its Pod is gone without a word; a new one waits for the Lease to run out, and goes on."""
    trial = start()
    killed = trial.operator()["metadata"]["name"]
    path = f"/api/v1/namespaces/{trial.release.namespace}/pods/{killed}"
    trial.cluster.client.delete(path, grace=0)
    until(lambda: trial.operator_is_ready(), "another operator is ready", 60)
    assert trial.operator()["metadata"]["name"] != killed
    trial.survives()
    assert not trial.observed("gone"), "no worker had to end for that"


@pytest.mark.needs_nodes
def test_the_api_server_is_restarted(start: Start) -> None:
    trial = start()
    plane = trial.ours.control_plane
    plane.stop_apiserver()
    plane.start_apiserver()
    trial.survives()


@pytest.mark.needs_nodes
def test_etcd_is_restarted(start: Start) -> None:
    trial = start()
    faults.restart_etcd(trial.ours)
    trial.survives()
