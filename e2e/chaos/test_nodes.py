"""A node is drained, silent for a minute, or lost."""

from __future__ import annotations

import time

import pytest
from tests.apiserver.experiments.operator_process import until

from e2e.chaos import faults
from e2e.chaos.conftest import Start

pytestmark = pytest.mark.needs_nodes

OUTAGE_SECONDS = 60


def test_a_node_is_drained(start: Start) -> None:
    trial = start()
    node = trial.quiet_node()
    drain = ("drain", node.name, "--ignore-daemonsets", "--delete-emptydir-data", "--force")
    try:
        trial.cluster.kubectl(*drain, "--timeout=60s")
        trial.survives()
    finally:
        node.uncordon()
    gone = trial.observed("gone")
    assert gone and not any(one.cause.charged for one in gone)


def test_a_kubelet_is_away_for_a_minute(start: Start) -> None:
    """Its Pods train on, and Kubernetes gives them up after 12 s of silence and 30 s more."""
    trial = start(steps=16000)
    node = trial.quiet_node()
    stopped = time.monotonic()
    node.kubelet.kill()
    try:
        faults.wait_for_node(trial.ours, node, ready=False)
        # The outage itself: nothing is waited for.
        time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - stopped)))
    finally:
        node.kubelet.start()
        node.wait_until_ready()
    trial.survives()
    assert not any(one.cause.charged for one in trial.observed("gone"))


def test_a_node_is_lost_for_good(start: Start) -> None:
    trial = start()
    node = trial.quiet_node()
    faults.lose(node)
    try:
        trial.survives()
    finally:
        faults.bring_back(node)
    gone = trial.observed("gone")
    assert gone and not any(one.cause.charged for one in gone)
    until(lambda: not trial.pods_of(node), "its old Pods are gone", 60)
