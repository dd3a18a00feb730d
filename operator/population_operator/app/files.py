"""Files that a reader sees whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def replace_file(path: Path, parts: Iterable[bytes]) -> None:
    """Replace a file's content at once and durably: whatever dies meanwhile, one of both is there.

    The parts are written one after the other, so that a large file is never in memory as a whole.
    Links are followed. What is no file (a pipe, /dev/stdout) cannot be replaced: it is written to.

    Raises:
      OSError: the disk is full, or the folder cannot be written to. The old content stands.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            device.writelines(parts)
        return
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
