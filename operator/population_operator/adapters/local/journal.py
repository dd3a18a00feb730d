"""The journal as a file of JSON lines: one line, one entry, fsynced before it counts."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from pydantic import ValidationError

from population_operator.model.entry import Entry
from population_operator.ports import ConflictError, JournalUnavailableError


class JournalInUseError(Exception):
    """Another process writes this journal."""


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a journal's file; a torn last line (a write that was cut short) is dropped.

    Raises:
      FileNotFoundError: there is no such file.
      JournalUnavailableError: a line in the middle is not an entry: the file was changed.
    """
    entries, _ = _parse(path.read_bytes(), path)
    return entries


def _parse(data: bytes, path: Path) -> tuple[tuple[Entry, ...], int]:
    """Entries, and the length in bytes of the file up to the end of the last whole one."""
    entries: list[Entry] = []
    length = 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        try:
            if not line.endswith(b"\n"):
                break
            entries.append(Entry.model_validate_json(line))
        except ValidationError as error:
            if length + len(line) == len(data):
                break  # Torn in the middle of the last block, whose end happens to be a newline.
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise JournalUnavailableError(
                f"{path}: line {number} is not an entry ({where}: {first['msg']}); "
                "the file was changed by something else: restore it, or move it away to start over"
            ) from None
        length += len(line)
    return tuple(entries), length


class FileJournal:
    """One experiment's journal in one file; the key is ignored.

    A lock on the file keeps a second process out; it is released by the kernel however this one
    ends.

    Raises:
      JournalInUseError: another process holds the lock.
      JournalUnavailableError: the file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalUnavailableError(f"{error.filename}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise JournalInUseError(
                f"{path} is being written by another process: wait for it, or use another folder"
            ) from error
        self._seq = 0
        self._length = 0
        self._sync_folder()

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)

    async def load(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        return (await asyncio.to_thread(self._load))[after:]

    async def append(self, key: str, entry: Entry) -> Entry:
        line = entry.model_dump_json().encode() + b"\n"
        await asyncio.to_thread(self._append, entry.seq, line)
        return Entry.model_validate_json(line)

    def _load(self) -> tuple[Entry, ...]:
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise JournalUnavailableError(f"{self._path}: {error.strerror}") from error
        entries, self._length = _parse(data, self._path)
        self._seq = entries[-1].seq if entries else 0
        return entries

    def _append(self, seq: int, line: bytes) -> None:
        if seq != self._seq + 1:
            raise ConflictError(f"entry {seq} does not follow {self._seq}")
        try:
            os.ftruncate(self._descriptor, self._length)  # A torn line, or a write that failed.
            written = 0
            while written < len(line):
                written += os.pwrite(self._descriptor, line[written:], self._length + written)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise JournalUnavailableError(f"{self._path}: {error.strerror}") from error
        self._seq, self._length = seq, self._length + len(line)

    def _sync_folder(self) -> None:
        """Make the file's own name durable."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
