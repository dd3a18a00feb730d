"""A trimmed copy of one kind of object, kept current by list and watch.

Every full list replaces the copy: an object that was deleted while the watch was broken is gone
from it afterwards, which is what makes "it does not exist any more" a thing that can be known.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
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
SHORT_WATCH = 5.0
"""Seconds; a watch that ends before, and has shown nothing, is a failure."""


def untouched(item: Object) -> Object:
    """Keep everything but the bookkeeping of field managers."""
    metadata = {k: v for k, v in item["metadata"].items() if k != "managedFields"}
    return {**item, "metadata": metadata}


@dataclass
class _Pause:
    """Before the next list: it grows until a watch has worked."""

    seconds: float = FIRST_RETRY

    def begin_again(self) -> None:
        self.seconds = FIRST_RETRY

    async def over(self) -> None:
        await asyncio.sleep(self.seconds * random.uniform(0.5, 1.0))
        self.seconds = min(self.seconds * 2, LAST_RETRY)


@dataclass
class Cache:
    """Objects of one kind by (namespace, name).

    Args:
      paths: what to list: one path for the cluster, or one for each watched namespace.
      selector: a label selector, or nothing.
      changed: told (old, new) of each change; none where it was not there, or is not any more.
      trim: what is kept of each object.
    """

    client: Client
    paths: tuple[str, ...]
    selector: str
    changed: Callable[[Object | None, Object | None], None]
    trim: Callable[[Object], Object] = untouched
    objects: dict[Name, Object] = field(default_factory=dict)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    relists: int = 0
    _listed: dict[str, set[Name]] = field(default_factory=dict)

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for path in self.paths:
                group.create_task(self._follow(path))

    async def _follow(self, path: str) -> None:
        pause = _Pause()
        while True:
            try:
                version = await self._list(path)
                while True:
                    version = await self._watch(path, version, pause)
            except ApiError as error:
                if error.status != 410:  # 410: the version is too old; a list is the answer.
                    log.warning("%s: %s", path, error)
            except UnreachableError as error:
                log.debug("%s: %s", path, error)
            await pause.over()

    async def _list(self, path: str) -> str:
        found: dict[Name, Object] = {}
        query = {"limit": PAGE} | self._selected()
        page = await self.client.get(path, **query)
        while True:
            found |= {_name(item): self.trim(item) for item in page["items"]}
            more = page["metadata"].get("continue")
            if not more:
                break
            page = await self.client.get(path, **query, **{"continue": more})
        names = self._listed.get(path, set())
        before = {name: self.objects[name] for name in names if name in self.objects}
        for name in before.keys() - found.keys():
            del self.objects[name]
        self.objects |= found
        self._listed[path] = set(found)
        self.relists += 1
        if len(self._listed) == len(self.paths):
            self.synced.set()
        for name in sorted(before.keys() | found.keys()):
            if before.get(name) != found.get(name):
                self.changed(before.get(name), found.get(name))
        return str(page["metadata"]["resourceVersion"])

    async def _watch(self, path: str, version: str, pause: _Pause) -> str:
        """Follow the changes after `version`. Returns the last one's, once the server has ended it.

        Raises:
          UnreachableError: also where it ended as soon as it had begun.
        """
        began, last = time.monotonic(), version
        try:
            async for kind, item in self.client.watch(path, version, **self._selected()):
                last = str(item["metadata"]["resourceVersion"])
                pause.begin_again()
                if kind != "BOOKMARK":
                    self._take(path, kind, item)
        finally:
            lasted = time.monotonic() - began >= SHORT_WATCH
            if lasted:
                pause.begin_again()
        if last == version and not lasted:
            raise UnreachableError(f"watch {path}: it ended at once")
        return last

    def _take(self, path: str, kind: str, item: Object) -> None:
        name = _name(item)
        before = self.objects.pop(name, None)
        self._listed[path].discard(name)
        if kind != "DELETED":
            self.objects[name] = self.trim(item)
            self._listed[path].add(name)
        self.changed(before, self.objects.get(name))

    def _selected(self) -> dict[str, str]:
        return {"labelSelector": self.selector} if self.selector else {}


Name = tuple[str, str]


def _name(item: Object) -> Name:
    metadata = item["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])
