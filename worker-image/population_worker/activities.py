"""Where a member's time goes: at every moment exactly one activity is running."""

from __future__ import annotations

import time
from collections.abc import Mapping

from population_worker.metrics import Activity, Telemetry

_NOTHING: Mapping[str, float] = {"train": 0.0, "wait": 0.0, "save": 0.0, "restore": 0.0}


class Activities:
    """A stopwatch that is switched between activities, and shows its totals as metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._totals = dict(_NOTHING)
        self._lap = dict(_NOTHING)
        self._activity: Activity = "wait"
        self._since = time.monotonic()

    def turn_to(self, member: str) -> None:
        """Start afresh for another member, which the time waited for it is charged to."""
        if member != self._telemetry.snapshot.member:
            self._totals, self._lap = dict(_NOTHING), dict(_NOTHING)
        self._telemetry.turn_to(member)

    def switch(self, activity: Activity) -> None:
        """Stop what is running and start `activity`."""
        self._settle()
        self._activity = activity
        self._telemetry.update(seconds=dict(self._totals), waiting=activity == "wait")

    def lap(self) -> dict[str, float]:
        """Return the seconds of each activity since `end_lap`."""
        self._settle()
        return {name: total - self._lap[name] for name, total in self._totals.items()}

    def end_lap(self, seconds: Mapping[str, float]) -> None:
        """Count what `lap` returned as reported; what came after it belongs to the next lap."""
        for name, value in seconds.items():
            self._lap[name] += value

    def _settle(self) -> None:
        now = time.monotonic()
        self._totals[self._activity] += now - self._since
        self._since = now
