"""Time that passes only when there is nothing left to do."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

Task = Callable[[], None]


@dataclass
class VirtualClock:
    """Seconds since the epoch, and what is to happen when. Ties happen in the order of planning."""

    time: float = 1_000_000.0
    _plan: list[tuple[float, int, Task]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def now(self) -> float:
        return self.time

    def after(self, seconds: float, task: Task) -> None:
        """Plan `task` in so many seconds."""
        heapq.heappush(self._plan, (self.time + seconds, next(self._order), task))

    def advance(self, limit: float | None) -> bool:
        """Go to the next planned moment, or to `limit` if that is earlier, and do what is planned.

        Returns whether there was anywhere to go.
        """
        if not self._plan and limit is None:
            return False
        if not self._plan or (limit is not None and limit < self._plan[0][0]):
            self.time = max(self.time, limit or 0.0)
            return True
        self.time = max(self.time, self._plan[0][0])
        while self._plan and self._plan[0][0] <= self.time:
            heapq.heappop(self._plan)[2]()
        return True
