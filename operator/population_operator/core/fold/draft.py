"""A state under construction: one copy of the tables for an entry, however many events it has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from population_operator.model.entry import Phase
from population_operator.model.state import DirectiveRecord, Member, State, Worker


class Draft:
    """Mutable while one entry is folded; `freeze` gives the next state.

    `before` is the members' table as the observed half left it: decisions of one entry are
    simultaneous, so a donor that is itself exploited still gives what it had.
    """

    def __init__(self, state: State, time: float) -> None:
        time = max(time, state.time)  # A clock that was set back must not undo waiting times.
        elapsed = time - state.time if state.phase is Phase.RUNNING else 0.0
        self._active_before = state.active
        self.state = replace(state, seq=state.seq + 1, time=time, active=state.active + elapsed)
        self.members: dict[str, Member] = dict(state.members)
        self.workers: dict[str, Worker] = dict(state.workers)
        self.directives: dict[tuple[str, int], DirectiveRecord] = dict(state.directives)
        self.before: dict[str, Member] = self.members

    @property
    def now(self) -> float:
        return self.state.time

    def discount(self) -> None:
        """The time since the entry before was not spent on training."""
        self.set(active=self._active_before)

    def mark(self) -> None:
        """The observed half is done."""
        self.before = dict(self.members)

    def set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def member(self, name: str, **changes: Any) -> None:
        self.members[name] = replace(self.members[name], **changes)

    def worker(self, name: str, **changes: Any) -> None:
        self.workers[name] = replace(self.workers[name], **changes)

    def directive(self, key: tuple[str, int], **changes: Any) -> None:
        self.directives[key] = replace(self.directives[key], **changes)

    def freeze(self) -> State:
        """The state so far. The tables are copied: the draft may go on."""
        return replace(
            self.state,
            members=dict(self.members),
            workers=dict(self.workers),
            directives=dict(self.directives),
        )

    def release(self, worker: str) -> None:
        """The worker trains nobody any more; its member waits for another."""
        member = self.workers[worker].member
        if member is not None and self.members[member].worker == worker:
            self.member(member, worker=None, waiting_since=self.now)
        self.worker(worker, member=None)

    def close(self, worker: str, *, lost: bool = True) -> None:
        """The incarnation is over; `lost` says whether that was the slot's own doing."""
        if not self.workers[worker].open:
            return
        self.release(worker)
        losses = self.workers[worker].losses
        losses += lost and not self.workers[worker].delivered
        self.worker(worker, open=False, started=False, directive=None, holds=None, losses=losses)
