"""What a Pod's status means where it has more than one container."""

from __future__ import annotations

from typing import Any

import pytest

from population_operator.adapters.kubernetes import pods
from population_operator.adapters.kubernetes.names import INCARNATION, UID, WORKER
from population_operator.model.entry import Cause


def a_pod(names: list[str], **states: dict[str, Any]) -> dict[str, Any]:
    """Containers in the manifest's order; their statuses by name, as a kubelet lists them."""
    labels = {UID: "u", WORKER: "w0", INCARNATION: "1"}
    statuses = [{"name": name, "state": states[name]} for name in sorted(states)]
    return pods.trimmed(
        {
            "metadata": {"name": "x-w0-1", "namespace": "n", "uid": "p", "labels": labels},
            "spec": {"containers": [{"name": name, "image": "i"} for name in names]},
            "status": {"phase": "Running", "containerStatuses": statuses},
        }
    )


@pytest.mark.parametrize("names", [["train", "agent"], ["agent", "worker"]])
def test_the_worker_is_the_container_of_that_name_or_the_first(names: list[str]) -> None:
    (worker,) = set(names) - {"agent"}
    waits = {"waiting": {"reason": "ContainerCreating"}}
    runs: dict[str, Any] = {"running": {}}
    assert not pods.started(a_pod(names, agent=runs, **{worker: waits}))
    assert pods.started(a_pod(names, agent=waits, **{worker: runs}))
    ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
    assert pods.gone(a_pod(names, agent=ended, **{worker: runs})) is None
    end = pods.gone(a_pod(names, agent=runs, **{worker: ended}))
    assert end is not None
    assert end.cause is Cause.EXITED
    assert "exit code 3" in end.detail
