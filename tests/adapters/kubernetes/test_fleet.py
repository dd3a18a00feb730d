"""What is told of attempts whose answer was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from population_operator.adapters.kubernetes.cache import Cache
from population_operator.adapters.kubernetes.client import UnreachableError
from population_operator.adapters.kubernetes.fleet import KubernetesFleet
from population_operator.adapters.kubernetes.names import INCARNATION, UID, WORKER
from population_operator.core.desired import Desired, DesiredWorker
from population_operator.model.state import Worker
from tests.builders import a_state, an_experiment
from tests.conformance.loop import in_a_loop, until

KEY = "default/test/uid-1"
POD = ("default", "test-w0-1")
WANTED = DesiredWorker("w0", 1, "pod-uid", None, 0)
CLAIM = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
STATE = a_state(
    an_experiment()
    .set("spec.worker", {"template": {"spec": {"containers": [{"name": "worker"}]}}})
    .set("spec.storage", {"claimTemplate": {"spec": CLAIM}}),
    workers=(Worker("w0", 1),),
)
CLAIMLESS = {
    "type": "PodScheduled",
    "status": "False",
    "message": 'persistentvolumeclaim "test" not found',
}


class Server:
    """Its connections break before an answer comes."""

    async def delete(self, path: str, **_: Any) -> None:
        raise UnreachableError("lost")

    async def create(self, path: str, body: Any, **_: Any) -> Any:
        raise UnreachableError("lost")


def a_pod(*conditions: Any, **metadata: Any) -> dict[str, Any]:
    labels = {UID: "uid-1", WORKER: "w0", INCARNATION: "1"}
    names = {"namespace": POD[0], "name": POD[1], "uid": "pod-uid", "labels": labels}
    return {
        "metadata": names | metadata,
        "spec": {"containers": [{"name": "worker"}]},
        "status": {"phase": "Pending", "conditions": list(conditions)},
    }


def a_fleet(pod: dict[str, Any]) -> tuple[KubernetesFleet, Callable[[dict[str, Any] | None], None]]:
    """The fleet, and what tells its cache of the Pod as it is now."""
    server: Any = Server()
    cache = Cache(server, (), "", lambda old, new: None)
    cache.synced.set()
    fleet = KubernetesFleet(server, cache, bytes(32), lambda key: None)

    def see(new: dict[str, Any] | None) -> None:
        old = cache.objects.pop(POD, None)
        if new is not None:
            cache.objects[POD] = new
        fleet.pod_changed(old, new)

    see(pod)
    return fleet, see


async def told(fleet: KubernetesFleet, reason: str) -> None:
    async def is_told() -> bool:
        return [problem.reason for problem in fleet.problems(KEY)] == [reason]

    await until(is_told, reason, seconds=10)


@in_a_loop
async def test_a_delete_that_was_done_all_the_same_is_no_problem() -> None:
    for then in (a_pod(deletionTimestamp="2026-01-01T00:00:00Z"), None):
        fleet, see = a_fleet(a_pod())
        await fleet.apply(KEY, Desired(10), STATE)
        await told(fleet, "ApiServerUnreachable")
        await fleet.apply(KEY, Desired(10), STATE)
        await told(fleet, "ApiServerUnreachable")
        see(then)
        await fleet.apply(KEY, Desired(10), STATE)
        assert fleet.problems(KEY) == ()
        await fleet.close()


@in_a_loop
async def test_a_claim_that_was_made_all_the_same_is_no_problem() -> None:
    fleet, see = a_fleet(a_pod(CLAIMLESS))
    desired = Desired(10, (WANTED,))

    async def both_told() -> bool:
        return {p.reason for p in fleet.problems(KEY)} == {"ApiServerUnreachable", "ClaimMissing"}

    await fleet.apply(KEY, desired, STATE)
    await until(both_told, "the attempt failed", seconds=10)
    see(a_pod())
    await fleet.apply(KEY, desired, STATE)
    await asyncio.sleep(0)
    assert fleet.problems(KEY) == ()
    await fleet.close()
