"""A journal in memory that keeps what a file would: text, read back and validated."""

from __future__ import annotations

from collections import defaultdict

from population_operator.model.entry import Entry
from population_operator.ports import ConflictError


class MemoryJournal:
    """Entries by key. With `as_text` they pass through JSON, as they do in every other journal."""

    def __init__(self, as_text: bool = True) -> None:
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        self._as_text = as_text

    async def load(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        return tuple(self._entries[key][after:])

    async def append(self, key: str, entry: Entry) -> Entry:
        entries = self._entries[key]
        if entry.seq != len(entries) + 1:
            raise ConflictError(f"entry {entry.seq} does not follow {len(entries)}")
        if self._as_text:
            entry = Entry.model_validate_json(entry.model_dump_json())
        entries.append(entry)
        return entry
