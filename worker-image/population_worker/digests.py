"""SHA-256 of a checkpoint's files, in threads: hashing and fsync release the GIL."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from population_worker import manifest
from population_worker.copying import sync_subfolders
from population_worker.manifest import File

_THREADS = 8


class CorruptCheckpoint(Exception):
    """Bytes that are missing or not those that were committed; the text names the file."""


def seal(folder: Path) -> tuple[File, ...]:
    """Digest and fsync every file below `folder`, and the folders in it; `folder`
    itself is left to who adds the manifest.

    Returns the files by path. Raises ValueError for what a checkpoint cannot hold: links and
    other special files, and a file of the manifest's name.
    """
    paths = sorted(_regular_files(folder))
    with ThreadPoolExecutor(_THREADS, "seal") as pool:
        syncs = [pool.submit(_sync_file, path) for path in paths]  # waits, while others compute
        files = tuple(pool.map(lambda path: _describe(folder, path), paths))
        for sync in syncs:
            sync.result()
    sync_subfolders(folder)
    return files


def check_sizes(folder: Path, files: Sequence[File]) -> None:
    """Raise `CorruptCheckpoint` where a file is missing or has another size."""
    for file in files:
        try:
            found = (folder / file.path).lstat()
        except OSError as error:
            raise CorruptCheckpoint(f"{file.path}: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise CorruptCheckpoint(f"{file.path}: is not a regular file")
        if found.st_size != file.size:
            raise CorruptCheckpoint(f"{file.path}: {found.st_size} bytes, expected {file.size}")


class Verification:
    """Digests that are computed in the background from the moment this is made until `join`."""

    def __init__(self, folder: Path, files: Sequence[File]) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "verify")
        largest_first = sorted(files, key=lambda file: -file.size)
        self._checks: list[Future[None]] = [
            self._pool.submit(_check_digest, folder, file) for file in largest_first
        ]

    def join(self) -> None:
        """Wait for the digests; raises `CorruptCheckpoint` for the first that differs."""
        for check in self._checks:
            check.result()

    def close(self) -> None:
        """Give up what has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def verifying(folder: Path, files: Sequence[File]) -> Iterator[Verification]:
    """Compute digests while the block runs; the block joins them."""
    verification = Verification(folder, files)
    try:
        yield verification
    finally:
        verification.close()


def _regular_files(folder: Path) -> Iterator[Path]:
    for below, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(below, name)
            mode = path.lstat().st_mode
            if path == folder / manifest.NAME:
                raise ValueError(f"save: {manifest.NAME} is written by the SDK")
            if stat.S_ISREG(mode):
                yield path
            elif not stat.S_ISDIR(mode):
                raise ValueError(f"save: {path.relative_to(folder)}: neither file nor folder")


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _describe(folder: Path, path: Path) -> File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    return File(path.relative_to(folder).as_posix(), size, digest)


def _check_digest(folder: Path, file: File) -> None:
    try:
        with (folder / file.path).open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise CorruptCheckpoint(f"{file.path}: {error.strerror}") from error
    if digest != file.sha256:
        raise CorruptCheckpoint(f"{file.path}: digest {digest[:12]}, expected {file.sha256[:12]}")
