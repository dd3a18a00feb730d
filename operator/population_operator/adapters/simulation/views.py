"""Views that remember what they were shown."""

from __future__ import annotations

from population_operator.model.entry import Entry
from population_operator.model.state import State


class MemoryViews:
    """The last state by key, and every entry in the order in which it was shown."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.entries: dict[str, list[Entry]] = {}

    async def show(self, key: str, state: State, entries: tuple[Entry, ...]) -> None:
        self.states[key] = state
        self.entries.setdefault(key, []).extend(entries)
