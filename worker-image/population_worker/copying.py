"""Copy files as cheaply as the filesystem allows: reflink, else hard link, else bytes.

Sources are immutable, so that a shared inode (hard link) is as good as a copy.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

Copier: TypeAlias = Callable[[Path, Path], int]
"""Makes the second path a copy of the first; returns how many bytes it had to move."""

_FICLONE = 0x40049409
_CHUNK_BYTES = 64 * 2**20
_THREADS = 4

_UNSUPPORTED = frozenset(
    {
        errno.EOPNOTSUPP,
        errno.ENOTTY,
        errno.EXDEV,
        errno.EINVAL,
        errno.ENOSYS,
        errno.EPERM,  # fs.protected_hardlinks
        errno.EACCES,
        errno.EMLINK,
        errno.ETXTBSY,
    }
)


def reflink(source: Path, target: Path) -> int:
    """Share the source's extents, copy on write (Btrfs, XFS); OSError where unsupported."""
    with source.open("rb") as reader, target.open("xb") as writer:
        fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        os.fsync(writer.fileno())
    return 0


def hard_link(source: Path, target: Path) -> int:
    """Share the source's inode; OSError where unsupported."""
    os.link(source, target, follow_symlinks=False)
    return 0


def copy_bytes(source: Path, target: Path) -> int:
    """Copy in parallel and inside the kernel, and fsync."""
    with source.open("rb") as reader, target.open("xb") as writer:
        fds = reader.fileno(), writer.fileno()
        size = os.fstat(fds[0]).st_size
        os.truncate(fds[1], size)
        with ThreadPoolExecutor(_THREADS, "copy") as pool:
            chunks = range(0, size, _CHUNK_BYTES)
            moved = sum(pool.map(lambda start: _copy_chunk(*fds, start, size), chunks))
        os.fsync(fds[1])
    return moved


CHEAPEST_FIRST: tuple[Copier, ...] = (reflink, hard_link, copy_bytes)


def copy_file(source: Path, target: Path, copiers: Sequence[Copier] = CHEAPEST_FIRST) -> int:
    """Copy with the first copier that works here; returns the bytes that had to be moved.

    Raises OSError of the last one, or the first error that is not about support (a full disk).
    """
    *attempts, last = copiers
    for copier in attempts:
        try:
            return copier(source, target)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            target.unlink(missing_ok=True)
    return last(source, target)


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_subfolders(folder: Path) -> None:
    """Make the entries of all folders below `folder` durable, not its own."""
    for below, _, _ in os.walk(folder):
        if Path(below) != folder:
            sync_folder(Path(below))


def _copy_chunk(reader: int, writer: int, start: int, size: int) -> int:
    """Copy one chunk; a source that ends early leaves a hole, which the digest tells."""
    at, end = start, min(start + _CHUNK_BYTES, size)
    while at < end:
        try:
            count = os.copy_file_range(reader, writer, end - at, at, at)
        except (OSError, AttributeError) as error:  # Not every build of Python has it.
            if isinstance(error, OSError) and error.errno not in _UNSUPPORTED:
                raise
            count = os.pwrite(writer, os.pread(reader, min(end - at, 2**20), at), at)
        if count == 0:
            break
        at += count
    return at - start
