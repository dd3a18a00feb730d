"""The seams to the world. Every runtime brings an adapter for each; one suite tests them all."""

from __future__ import annotations

from typing import Protocol

from population_operator.api import PopulationExperiment
from population_operator.core.desired import Desired
from population_operator.core.observation import Observation
from population_operator.model.entry import Entry
from population_operator.model.state import State


class ConflictError(Exception):
    """Somebody else appended first: reload, and start over."""


class JournalUnavailableError(Exception):
    """The journal cannot be read or written now (a full disk, an unreachable server)."""


class Journal(Protocol):
    """An append-only sequence of entries for each experiment: the truth."""

    async def load(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        """All entries with a number above `after`, in order.

        Raises:
          JournalUnavailableError: it cannot be read.
        """
        ...

    async def append(self, key: str, entry: Entry) -> Entry:
        """Make `entry` durable; it is the fence against a second writer. Returns the entry as read.

        Raises:
          ConflictError: `entry.seq` is not the next number.
          JournalUnavailableError: it may not have been written: load, and see.
        """
        ...


class Fleet(Protocol):
    """The workers of an experiment."""

    async def observe(self, key: str, experiment: PopulationExperiment) -> Observation:
        """A consistent snapshot of what is known now. Returns at once; asks nobody."""
        ...

    async def listen(self, key: str, desired: Desired, state: State) -> None:
        """Connect to those of the workers that run already: an operator's first act.

        What they have to say comes with `observe`, which may raise until it has been heard.
        """
        ...

    async def apply(self, key: str, desired: Desired, state: State) -> None:
        """Start moving the world there. Returns at once; doing it again is harmless.

        An incarnation without uid is created, unless it exists. What exists and is not desired is
        deleted, unless it is newer than `desired.seq` knows. Each worker has one sender for its
        newest directive, so that a slow one holds up nobody.

        Raises:
          ConflictError: there are incarnations newer than `state`: reload, and start over.
        """
        ...


class Views(Protocol):
    """What people look at: may lag, may be rebuilt."""

    async def show(self, key: str, state: State, entries: tuple[Entry, ...]) -> None:
        """Bring the views up to `state`; `entries` are those appended since the last call."""
        ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""
        ...
