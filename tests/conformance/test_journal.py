"""The journals of the runtimes that need no cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from population_operator.adapters.local import FileJournal
from population_operator.adapters.simulation import MemoryJournal
from population_operator.ports import Journal
from tests.conformance.journal import KEY, JournalConformance, Storage


class InMemory:
    """The place is the object itself."""

    key, shared = KEY, True

    def __init__(self) -> None:
        self._journal = MemoryJournal()

    async def open(self) -> Journal:
        return self._journal

    async def close(self, journal: Journal) -> None:
        pass


class InAFile:
    """A lock keeps a second writer out while the first one lives."""

    key, shared = KEY, False

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self) -> Journal:
        return FileJournal(self._path)

    async def close(self, journal: Journal) -> None:
        assert isinstance(journal, FileJournal)
        journal.close()


class TestMemoryJournal(JournalConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return InMemory()


class TestFileJournal(JournalConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return InAFile(tmp_path / "run" / "journal.jsonl")
