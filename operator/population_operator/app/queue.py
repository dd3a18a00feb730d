"""A work queue of keys: the shape of controller-runtime's.

A key is there once however often it was added; it is worked on by one worker at a time; one that
was added meanwhile is worked on again. Failures wait longer each time.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from dataclasses import dataclass, field

FIRST_RETRY, LAST_RETRY = 0.05, 30.0


@dataclass
class WorkQueue:
    """Keys to be reconciled."""

    _ready: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _busy: set[str] = field(default_factory=set)
    _again: set[str] = field(default_factory=set)
    _timers: dict[str, tuple[float, asyncio.TimerHandle]] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def add(self, key: str) -> None:
        """Have the key worked on as soon as possible."""
        if key in self._busy:
            self._again.add(key)
            return
        self._ready[key] = None
        self._wake()

    def add_after(self, key: str, seconds: float) -> None:
        """Have the key worked on in so many seconds at the latest."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(seconds, 0.0)
        known = self._timers.get(key)
        if known is not None:
            if known[0] <= at:
                return
            known[1].cancel()
        self._timers[key] = (at, loop.call_at(at, self._due, key))

    def retry(self, key: str) -> float:
        """Have the key worked on after a back-off; returns how long that is."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        limit: float = min(FIRST_RETRY * 2.0 ** min(failures - 1, 20), LAST_RETRY)
        seconds = limit * random.uniform(0.5, 1.0)
        self.add_after(key, seconds)
        return seconds

    def succeeded(self, key: str) -> None:
        """The next failure is the first one again."""
        self._failures.pop(key, None)

    def forget(self, key: str) -> None:
        """The key does not exist any more."""
        self.succeeded(key)
        self._ready.pop(key, None)
        self._again.discard(key)
        if (timer := self._timers.pop(key, None)) is not None:
            timer[1].cancel()

    async def get(self) -> str:
        """The key that has waited longest; nobody else gets it until `done`."""
        while not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        key, _ = self._ready.popitem(last=False)
        self._busy.add(key)
        return key

    def done(self, key: str) -> None:
        """The key is free again."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def __len__(self) -> int:
        return len(self._ready)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.pop(0)
            if not waiter.done():
                waiter.set_result(None)
                return
