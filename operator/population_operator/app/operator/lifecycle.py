"""The end of an experiment's life: its time to live, and what deletion has to clean up.

Owner references take everything but the checkpoints, which lie on a volume that only workers
touch: where `deletionPolicy: Delete` asks for it, a Pod removes them, and a finalizer waits for it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from population_operator.adapters.kubernetes import manifests
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
TRIES = 3


def needs_finalizer(experiment: PopulationExperiment) -> bool:
    """Only checkpoints on a claim of the user's own are left by owner references."""
    storage = experiment.spec.storage
    return (
        storage is not None
        and storage.deletion_policy == "Delete"
        and storage.claim_name is not None
    )


def remover(experiment: PopulationExperiment) -> Object:
    """The Pod that removes an experiment's checkpoints: its image, its claim, no devices."""
    key = Key.of(experiment)
    template = copy.deepcopy(experiment.spec.worker.template or {})
    spec = template["spec"]
    container = worker_container(spec)
    for field in ("resources", "args", "livenessProbe", "readinessProbe", "startupProbe"):
        container.pop(field, None)
    folder = str(manifests.CHECKPOINTS / key.uid)
    container["command"] = ["sh", "-c", f"rm -rf -- '{folder}'"]
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
            "name": f"{key.name}-remover-{key.uid[:8]}",
            "namespace": key.namespace,
            "labels": labels,
        },
        "spec": spec,
    }


@dataclass
class Lifecycle:
    """Finalizers, removal of checkpoints, and time to live."""

    client: Client

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

    async def finalize(self, body: Object, experiment: PopulationExperiment) -> str | None:
        """Go on with the deletion. Returns what it waits for; none once nothing holds it."""
        present = body["metadata"].get("finalizers", [])
        if FINALIZER not in present:
            return None
        if needs_finalizer(experiment):
            waits = await self._remove(experiment)
            if waits is not None:
                return waits
        await self._set_finalizers(body, [f for f in present if f != FINALIZER])
        return None

    async def release(self, body: Object) -> None:
        """Let go of an experiment that never began: there are no checkpoints."""
        present = body["metadata"].get("finalizers", [])
        if FINALIZER in present:
            await self._set_finalizers(body, [f for f in present if f != FINALIZER])

    async def expire(self, key: Key) -> None:
        """Its time to live is over."""
        await self.client.delete(path(PLURAL, key.namespace, key.name), uid=key.uid)

    async def _remove(self, experiment: PopulationExperiment) -> str | None:
        pod = remover(experiment)
        metadata = pod["metadata"]
        where = path("pods", metadata["namespace"], metadata["name"])
        try:
            found = await self.client.get(where)
        except ApiError as error:
            if error.status != 404:
                raise
            try:
                await self.client.create(path("pods", metadata["namespace"]), pod)
            except ApiError as refused:
                if "terminating" in refused.message or refused.status == 404:
                    return None  # The namespace goes, and nothing can be started in it any more.
                raise
            return f"{metadata['name']} removes the checkpoints"
        phase = found.get("status", {}).get("phase")
        if phase == "Succeeded":
            await self.client.delete(where, uid=found["metadata"]["uid"])
            return None
        if phase == "Failed":
            await self.client.delete(where, uid=found["metadata"]["uid"])
            return f"{metadata['name']} failed, and is tried again"
        return f"{metadata['name']} removes the checkpoints"

    async def _set_finalizers(self, body: Object, finalizers: list[str]) -> None:
        metadata = body["metadata"]
        version = metadata["resourceVersion"]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
        await self.client.merge(path(PLURAL, metadata["namespace"], metadata["name"]), patch)
