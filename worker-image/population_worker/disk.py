"""A disk that is full, read-only or broken: tell it from a bug, wait, and give up clearly."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

from population_worker.mailbox import Mailbox

T = TypeVar("T")

_ADVICE = {
    errno.ENOSPC: "free space there or enlarge the volume",
    errno.EDQUOT: "free space there or raise the quota",
    errno.EROFS: "mount the volume read-write",
    errno.EACCES: f"make the folder writable for uid {os.getuid()}",
    errno.EIO: "check the volume and its node: it fails to read or write",
    errno.ESTALE: "mount the volume again: its server has lost the folder",
}
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")
_PROBE_BYTES = 1 << 16
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


def disk_errno(error: BaseException, folder: Path) -> int | None:
    """Return the errno of the disk's trouble behind `error`, None where the disk is fine.

    Serialisers hide it: safetensors (Rust) has it only in the text, PyTorch's zip writer not at
    all, so a small write to `folder`, where the failed save still takes the room, decides.
    """
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in _ADVICE:
            return link.errno
        if match := _RUST_ERROR.search(str(link)):
            return int(match[1]) if int(match[1]) in _ADVICE else None
    if isinstance(error, OSError):
        return None
    return _probe(folder)


class DiskRetry:
    """Retries what a disk refuses, with back-off and for a bounded time; then ends the process."""

    def __init__(self, mailbox: Mailbox, seconds: float) -> None:
        self._mailbox = mailbox
        self._seconds = seconds

    def __call__(self, what: str, member: str, action: Callable[[], T]) -> T:
        """Return what `action` does; every trouble is published as `<what>: <reason>`.

        Raises SystemExit(143) on SIGTERM, SystemExit(1) after one line on stderr when the time is
        over, and what is not the disk's fault at once.
        """
        deadline = time.monotonic() + self._seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return action()
            except OSError as error:
                if error.errno not in _ADVICE:
                    raise
                self._mailbox.trouble(member, f"{what}: {os.strerror(error.errno)}")
                left = deadline - time.monotonic()
                if left <= 0:
                    _give_up(what, member, error)
            if self._mailbox.wait_stopped(min(pause, left)):
                raise SystemExit(143)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _give_up(what: str, member: str, error: OSError) -> NoReturn:
    code = error.errno or errno.EIO
    sys.stderr.write(
        f"population_worker: member {member}: {what} failed: {error.filename}: "
        f"{os.strerror(code)}; {_ADVICE[code]}, then start the worker again\n"
    )
    raise SystemExit(1) from None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _probe(folder: Path) -> int | None:
    try:
        with (folder / ".probe").open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno if error.errno in _ADVICE else None
    return None
