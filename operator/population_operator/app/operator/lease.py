"""One replica works, the others wait behind a Lease.

Time is counted from when a change of the Lease was seen here, never from what another machine's
clock wrote into it. The Lease only keeps two replicas from working for nothing: what keeps two
that both believe to hold it from doing harm is the journal, which refuses the second writer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from population_operator.adapters.kubernetes.client import (
    ApiError,
    Client,
    Object,
    UnreachableError,
)
from population_operator.adapters.kubernetes.names import path

log = logging.getLogger(__name__)

DURATION = 9.0
"""Seconds without a renewal after which another replica takes over."""
RENEW = 2.0
DEADLINE = 6.0
"""Seconds without a successful renewal after which the holder stops. Below DURATION."""


@dataclass
class Lease:
    """The lease as seen by one replica."""

    client: Client
    namespace: str
    name: str
    identity: str
    _seen: str = ""
    _seen_at: float = 0.0

    async def acquire(self) -> None:
        """Wait until this replica holds the lease."""
        while True:
            try:
                if await self._try():
                    log.info("%s holds the lease %s/%s", self.identity, self.namespace, self.name)
                    return
            except (ApiError, UnreachableError) as error:
                log.warning("lease: %s", error)
            await asyncio.sleep(RENEW)

    async def hold(self) -> None:
        """Renew until that has failed for `DEADLINE` seconds, or somebody else holds it."""
        renewed = time.monotonic()
        while time.monotonic() - renewed < DEADLINE:
            await asyncio.sleep(RENEW)
            if time.monotonic() - renewed >= DURATION:
                break  # This process was stopped meanwhile: somebody else may hold it.
            try:
                if not await asyncio.wait_for(self._try(), DEADLINE - RENEW):
                    break
                renewed = time.monotonic()
            except (ApiError, UnreachableError, TimeoutError) as error:
                log.warning("lease: not renewed: %s", error)
        log.error("%s has lost the lease %s/%s", self.identity, self.namespace, self.name)

    async def release(self) -> None:
        """Let another replica take over at once."""
        try:
            current = await self.client.get(self._path)
            if current["spec"].get("holderIdentity") == self.identity:
                current["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self.client.replace(self._path, current)
        except (ApiError, UnreachableError) as error:
            log.debug("lease: not released: %s", error)

    async def _try(self) -> bool:
        try:
            current = await self.client.get(self._path)
        except ApiError as error:
            if error.status != 404:
                raise
            return await self._write(self._object({}), create=True)
        spec = current["spec"]
        holder, version = spec.get("holderIdentity"), current["metadata"]["resourceVersion"]
        if version != self._seen:
            self._seen, self._seen_at = version, time.monotonic()
        expired = time.monotonic() - self._seen_at > DURATION
        if holder and holder != self.identity and not expired:
            return False
        return await self._write({**current, "spec": self._object(spec)["spec"]}, create=False)

    async def _write(self, body: Object, create: bool) -> bool:
        try:
            if create:
                await self.client.create(path("leases", self.namespace), body)
            else:
                await self.client.replace(self._path, body)
        except ApiError as error:
            if error.status == 409:
                return False
            raise
        return True

    def _object(self, before: Object) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = before.get("holderIdentity") == self.identity
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": before.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions", 0)) + (0 if ours else 1),
        }
        metadata = {"name": self.name, "namespace": self.namespace}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        }

    @property
    def _path(self) -> str:
        return path("leases", self.namespace, self.name)
