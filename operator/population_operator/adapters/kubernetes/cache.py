"""A trimmed copy of one kind of object, kept current by list and watch.

Every full list replaces the copy: an object that was deleted while the watch was broken is gone
from it afterwards, which is what makes "it does not exist any more" a thing that can be known.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from population_operator.adapters.kubernetes.client import (
    ApiError,
    Client,
    Object,
    UnreachableError,
)

log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 0.2, 10.0
PAGE = "500"


def untouched(item: Object) -> Object:
    """Keep everything but the bookkeeping of field managers."""
    metadata = {k: v for k, v in item["metadata"].items() if k != "managedFields"}
    return {**item, "metadata": metadata}


@dataclass
class Cache:
    """Objects of one kind by (namespace, name).

    Args:
      paths: what to list: one path for the cluster, or one for each watched namespace.
      selector: a label selector.
      trim: what is kept of each object.
      changed: told (old, new) of each change; none where it was not there, or is not any more.
    """

    client: Client
    path: str
    selector: str
    changed: Callable[[Object | None, Object | None], None]
    trim: Callable[[Object], Object] = untouched
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    relists: int = 0

    async def run(self) -> None:
        """List and watch until cancelled."""
        retry = FIRST_RETRY
        while True:
            try:
                version = await self._list()
                retry = FIRST_RETRY
                while True:
                    version = await self._watch(version)
            except ApiError as error:
                if error.status != 410:  # 410: the version is too old; a list is the answer.
                    log.warning("%s: %s", self.path, error)
            except UnreachableError as error:
                log.debug("%s: %s", self.path, error)
            await asyncio.sleep(retry * random.uniform(0.5, 1.0))
            retry = min(retry * 2, LAST_RETRY)

    async def _list(self) -> str:
        found: dict[tuple[str, str], Object] = {}
        query = (
            {"labelSelector": self.selector, "limit": PAGE} if self.selector else {"limit": PAGE}
        )
        page = await self.client.get(self.path, **query)
        while True:
            for item in page["items"]:
                found[_key(item)] = self.trim(item)
            more = page["metadata"].get("continue")
            if not more:
                break
            page = await self.client.get(self.path, **query, **{"continue": more})
        before, self.objects = self.objects, found
        self.relists += 1
        self.synced.set()
        for key in {**before, **found}:
            if before.get(key) != found.get(key):
                self.changed(before.get(key), found.get(key))
        return str(page["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        query = {"labelSelector": self.selector} if self.selector else {}
        async for kind, item in self.client.watch(self.path, version, **query):
            version = str(item["metadata"]["resourceVersion"])
            if kind == "BOOKMARK":
                continue
            key = _key(item)
            before = self.objects.get(key)
            if kind == "DELETED":
                self.objects.pop(key, None)
                self.changed(before, None)
            else:
                self.objects[key] = self.trim(item)
                self.changed(before, self.objects[key])
        return version


def _key(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])
