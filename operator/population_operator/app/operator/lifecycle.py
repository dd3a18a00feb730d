"""The end of an experiment's life: its time to live, and what deletion has to clean up.

Owner references take everything but the checkpoints, which lie on a volume that only workers
touch: where `deletionPolicy: Delete` asks for it, a Pod removes them, and a finalizer waits for it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime

from population_operator.adapters.kubernetes import manifests, pods
from population_operator.adapters.kubernetes.client import ApiError, Client, Object
from population_operator.adapters.kubernetes.names import (
    EXPERIMENT,
    GROUP,
    MANAGED_BY,
    MANAGER,
    Key,
    path,
)
from population_operator.adapters.kubernetes.pods import worker_container
from population_operator.api import PopulationExperiment

FINALIZER = f"{GROUP}/checkpoints"
PLURAL = "populationexperiments"
NAMESPACE_GOES = "being terminated"
"""Of the API server's answer where a namespace is being deleted."""
REMOVER = {"cpu": "100m", "memory": "128Mi"}
TRY_AGAIN = 30.0
"""Seconds for which a Pod that failed stays to be looked at."""


def needs_finalizer(experiment: PopulationExperiment) -> bool:
    """Only checkpoints on a claim of the user's own are left by owner references."""
    storage = experiment.spec.storage
    return (
        storage is not None
        and storage.deletion_policy == "Delete"
        and storage.claim_name is not None
    )


def remover_name(name: str, uid: str) -> str:
    return f"{name}-remover-{uid[:8]}"


def remover(experiment: PopulationExperiment) -> Object:
    """The Pod that removes an experiment's checkpoints: its image, its claim, no devices."""
    key = Key.of(experiment)
    template = copy.deepcopy(experiment.spec.worker.template or {})
    spec = template["spec"]
    container = worker_container(spec)
    for unwanted in ("args", "livenessProbe", "readinessProbe", "startupProbe"):
        container.pop(unwanted, None)
    # Little, and said: a quota may ask for it.
    container["resources"] = {"requests": dict(REMOVER), "limits": dict(REMOVER)}
    folder = str(manifests.CHECKPOINTS / key.uid)
    container["command"] = ["sh", "-c", f"rm -rf -- '{folder}'"]
    if str(manifests.CHECKPOINTS) not in manifests.mounted(container):
        mounts = container.setdefault("volumeMounts", [])
        mounts.append({"name": "population-checkpoints", "mountPath": str(manifests.CHECKPOINTS)})
        volumes = spec.setdefault("volumes", [])
        claim = {"claimName": manifests.claimed(experiment)}
        volumes.append({"name": "population-checkpoints", "persistentVolumeClaim": claim})
    manifests.fill(spec)
    spec.pop("resourceClaims", None)
    spec["containers"] = [container]
    labels = {MANAGED_BY: f"{MANAGER}-remover", EXPERIMENT: key.name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": remover_name(key.name, key.uid),
            "namespace": key.namespace,
            "labels": labels,
        },
        "spec": spec,
    }


@dataclass
class Lifecycle:
    """Finalizers, removal of checkpoints, and time to live."""

    client: Client
    _released: set[str] = field(default_factory=set)
    """Experiments that were let go of, which the cache may show as they were before."""
    _removed: set[str] = field(default_factory=set)
    """Experiments that have no checkpoints any more."""

    async def ensure_finalizer(self, body: Object, experiment: PopulationExperiment) -> bool:
        """Make the finalizer stand exactly where it is needed. Returns whether it was changed."""
        present = body["metadata"].get("finalizers", [])
        if (FINALIZER in present) == needs_finalizer(experiment):
            return False
        wanted = [f for f in present if f != FINALIZER]
        if needs_finalizer(experiment):
            wanted.append(FINALIZER)
        await self._set_finalizers(body, wanted)
        return True

    def holds(self, body: Object, experiment: PopulationExperiment) -> bool:
        """Whether its checkpoints are still to be removed."""
        if body["metadata"]["uid"] in self._released:
            return False
        return FINALIZER in body["metadata"].get("finalizers", []) and needs_finalizer(experiment)

    async def remove(self, experiment: PopulationExperiment) -> str | None:
        """Go on with removing the checkpoints. Returns what it waits for; none once it is done."""
        uid = Key.of(experiment).uid
        if uid in self._removed:
            return None
        pod = remover(experiment)
        where = path("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        found = await self._made(where, pod)
        if found is None:
            self._removed.add(uid)
            return None
        name, phase = pod["metadata"]["name"], found.get("status", {}).get("phase")
        problem = pods.problem(found) if "status" in found else None
        # Without the claim there is no volume, and nothing on it.
        if phase == "Succeeded" or (problem is not None and problem.reason == "ClaimMissing"):
            self._removed.add(uid)
            return None
        if phase == "Failed":
            if _age(found) > TRY_AGAIN:
                await self.client.delete(where, uid=found["metadata"]["uid"])
            return f"Pod {name} failed, see its log; it is tried again"
        return problem.message if problem is not None else f"Pod {name} runs"

    async def release(self, body: Object) -> None:
        """Let go of an experiment: there are no checkpoints, or none any more."""
        metadata = body["metadata"]
        present = metadata.get("finalizers", [])
        if FINALIZER in present and metadata["uid"] not in self._released:
            name = remover_name(metadata["name"], metadata["uid"])
            await self.client.delete(path("pods", metadata["namespace"], name))
            await self._set_finalizers(body, [f for f in present if f != FINALIZER])
            self._released.add(metadata["uid"])

    def forget(self, uid: str) -> None:
        """The experiment does not exist any more."""
        self._released.discard(uid)
        self._removed.discard(uid)

    async def expire(self, key: Key) -> None:
        """Its time to live is over."""
        await self.client.delete(path(PLURAL, key.namespace, key.name), uid=key.uid)

    async def _made(self, where: str, pod: Object) -> Object | None:
        """The Pod as it is, made where there is none; none where the namespace goes itself."""
        try:
            return await self.client.get(where)
        except ApiError as error:
            if error.status != 404:
                raise
        try:
            return await self.client.create(path("pods", pod["metadata"]["namespace"]), pod)
        except ApiError as refused:
            if refused.status == 404 or NAMESPACE_GOES in refused.message:
                return None
            raise

    async def _set_finalizers(self, body: Object, finalizers: list[str]) -> None:
        metadata = body["metadata"]
        version = metadata["resourceVersion"]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
        await self.client.merge(path(PLURAL, metadata["namespace"], metadata["name"]), patch)


def _age(body: Object) -> float:
    """Seconds since an object was created."""
    created = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
    return (datetime.now(UTC) - created).total_seconds()
