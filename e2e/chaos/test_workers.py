"""A worker ends, in each of the ways that Pods end."""

from __future__ import annotations

import pytest

from e2e.chaos import faults, hooks
from e2e.chaos.conftest import Start
from e2e.cluster.node import evict


@pytest.mark.needs_nodes
def test_a_worker_is_killed(start: Start) -> None:
    trial = start()
    faults.kill_container(trial.ours, trial.worker())
    trial.survives()
    assert "Exited" in trial.causes()


@pytest.mark.needs_nodes
def test_a_worker_runs_out_of_memory(start: Start) -> None:
    trial = start()
    worker = trial.worker()["metadata"]["labels"]["population-operator.io/worker"]
    (trial.volume / hooks.eat(worker)).touch()
    trial.survives()
    assert "OutOfMemory" in trial.causes()


def test_a_worker_is_evicted(start: Start) -> None:
    trial = start()
    evict(trial.cluster.client, trial.worker())
    trial.survives()
    assert not any(gone.cause.charged for gone in trial.observed("gone"))
    assert trial.observed("gone")
