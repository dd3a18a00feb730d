"""`population-operator drop-finalizers`: what has to happen before the operator goes for good.

Our finalizer waits for a Pod that removes checkpoints, and nobody would start it any more: the
experiment could not be deleted. The checkpoints stay on their volume.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from population_operator.adapters.kubernetes.client import ApiError, Client, Object
from population_operator.adapters.kubernetes.names import path
from population_operator.app.operator.lease import Lease
from population_operator.app.operator.lifecycle import FINALIZER, PLURAL

log = logging.getLogger(__name__)

IDENTITY = "drop-finalizers"


@dataclass
class Cleanup:
    """Stops the operator, then drops its finalizers.

    Attributes:
      namespaces: the namespaces that it watches; empty: the whole cluster.
      own_namespace: where its Deployment and its Lease are.
      deployment: scaled to nothing first; none where something else stops the operator.
    """

    client: Client
    namespaces: tuple[str, ...]
    own_namespace: str
    deployment: str | None
    lease: str

    async def run(self) -> int:
        """Returns how many experiments were freed.

        The operator puts a missing finalizer back, so that this first waits until it holds the
        Lease: then no replica works, however slowly it ends.
        """
        if self.deployment is not None:
            await self._scale_to_nothing(self.deployment)
        lease = Lease(self.client, self.own_namespace, self.lease, IDENTITY)
        await lease.acquire()
        held = asyncio.create_task(lease.hold())
        try:
            freed = sum([await self._free(body) for body in await self._experiments()])
        finally:
            held.cancel()
        await self.client.delete(path("leases", self.own_namespace, self.lease))
        log.info("%d experiments are free of the finalizer %s", freed, FINALIZER)
        return freed

    async def _scale_to_nothing(self, name: str) -> None:
        where = f"/apis/apps/v1/namespaces/{self.own_namespace}/deployments/{name}/scale"
        try:
            await self.client.merge(where, {"spec": {"replicas": 0}})
        except ApiError as error:
            if error.status != 404:
                raise

    async def _experiments(self) -> list[Object]:
        paths = [path(PLURAL, one) for one in self.namespaces] or [path(PLURAL)]
        found: list[Object] = []
        for where in paths:
            try:
                found += (await self.client.get(where))["items"]
            except ApiError as error:
                if error.status != 404:  # The kind is not installed any more.
                    raise
        return found

    async def _free(self, body: Object) -> bool:
        """Whether there was something to drop."""
        metadata = body["metadata"]
        where = path(PLURAL, metadata["namespace"], metadata["name"])
        while FINALIZER in (finalizers := body["metadata"].get("finalizers", [])):
            rest = [one for one in finalizers if one != FINALIZER]
            version = body["metadata"]["resourceVersion"]
            patch = {"metadata": {"finalizers": rest, "resourceVersion": version}}
            try:
                await self.client.merge(where, patch)
                return True
            except ApiError as error:
                if error.status == 404:
                    return False
                if error.status != 409:
                    raise
            try:
                body = await self.client.get(where)
            except ApiError as error:
                if error.status == 404:
                    return False
                raise
        return False
