"""The journal as a file of JSON lines: one line, one entry, fsynced before it counts."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import threading
from pathlib import Path

from pydantic import ValidationError

from population_operator.model.entry import Entry
from population_operator.ports import ConflictError, JournalUnavailableError

_ADVICE = {
    errno.ENOSPC: "free space there; the same command goes on from here",
    errno.EDQUOT: "raise the quota; the same command goes on from here",
    errno.EFBIG: "raise the limit on file sizes; the same command goes on from here",
    errno.EROFS: "make it writable, or use another --output",
    errno.EACCES: "make it writable, or use another --output",
    errno.EPERM: "make it writable, or use another --output",
    errno.ENOTDIR: "use another --output",
    errno.EEXIST: "use another --output",
    errno.EISDIR: "use another --output",
}


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
    if data[:1] not in (b"", b"{", b"\0"):  # Not even the torn beginning of a first entry.
        raise _changed(path, 1, "is not an entry")
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            if length + len(line) == len(data) and first["type"] == "json_invalid":
                break  # Torn in the middle of the last block, whose end happens to be a newline.
            where = ".".join(map(str, first["loc"]))
            why = f"is not an entry ({where}: {first['msg']})" if where else "is not an entry"
            raise _changed(path, number, why) from None
        if entry.seq != number:
            raise _changed(path, number, f"has entry {entry.seq}")
        entries.append(entry)
        length += len(line)
    return tuple(entries), length


def _changed(path: Path, number: int, why: str) -> JournalUnavailableError:
    return JournalUnavailableError(
        f"{path}: line {number} {why}; the file was changed by something else, or written by "
        "another version: restore it, or move it away to start over"
    )


def _unavailable(path: Path, error: OSError) -> JournalUnavailableError:
    advice = _ADVICE.get(error.errno or 0, "then the same command goes on from here")
    return JournalUnavailableError(f"{path}: {(error.strerror or str(error)).lower()}: {advice}")


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
            raise _unavailable(Path(error.filename or path), error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise JournalInUseError(
                f"{path} is being written by another process: wait for it, or use another folder"
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise _unavailable(path, error) from error
        self._seq: int | None = None  # Not read yet: whatever is appended has to follow it.
        self._length = 0
        self._lock = threading.Lock()  # A cancelled append goes on in its thread.
        self._sync()

    def close(self) -> None:
        """Release the lock. An append that is still under way in its thread ends first."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1

    async def load(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        return (await asyncio.to_thread(self._load))[max(after, 0) :]

    async def append(self, key: str, entry: Entry) -> Entry:
        line = entry.model_dump_json().encode() + b"\n"
        written = Entry.model_validate_json(line)  # First: what nobody can read is not written.
        await asyncio.to_thread(self._append, entry.seq, line)
        return written

    def _load(self) -> tuple[Entry, ...]:
        with self._lock:
            return self._read()

    def _append(self, seq: int, line: bytes) -> None:
        with self._lock:
            self._write(seq, line)

    def _read(self) -> tuple[Entry, ...]:
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise _unavailable(self._path, error) from error
        if self._seq is not None:
            data = data[: self._length]  # What follows was refused, and could not be cut off.
        entries, self._length = _parse(data, self._path)
        self._seq = entries[-1].seq if entries else 0
        return entries

    def _write(self, seq: int, line: bytes) -> None:
        if self._seq is None:
            self._read()
        if seq != (self._seq or 0) + 1:
            raise ConflictError(f"entry {seq} does not follow {self._seq}")
        try:
            os.ftruncate(self._descriptor, self._length)  # A torn line, or a write that failed.
            written = 0
            while written < len(line):
                written += os.pwrite(self._descriptor, line[written:], self._length + written)
            os.fdatasync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):  # Whole lines that never became durable, too.
                os.ftruncate(self._descriptor, self._length)
            raise _unavailable(self._path, error) from error
        self._seq, self._length = seq, self._length + len(line)

    def _sync(self) -> None:
        """Make the file's name durable, and what its last writer had no time for."""
        os.fsync(self._descriptor)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
