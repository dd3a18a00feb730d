"""Ends processes that a worker started and that nobody holds any more, known by their environment.

A worker's command may be a shell that starts the training, and only the shell itself ends with us.
All that it started inherits the environment that we gave it, even what moved to another group or
session. Run as a program, this file ends them when its standard input does: the kernel closes that
pipe however the other end died. Only the standard library is imported, so that it stays small.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PROCESSES = Path("/proc")
SECONDS = 5.0


def end(marks: Mapping[str, str], seconds: float = SECONDS) -> list[int]:
    """Kill every other process of ours whose environment has all of `marks`.

    Returns the ids of those that still exist after `seconds`; none is what one hopes for.
    """
    deadline = time.monotonic() + seconds
    wanted = frozenset(os.fsencode(f"{name}={value}") for name, value in marks.items())
    while True:
        left = [pid for pid in _others() if _kill(pid, wanted, deadline)]
        if not left or time.monotonic() >= deadline:
            return left


def _others() -> list[int]:
    if not (PROCESSES / "self").exists():
        return []
    ids = (int(path.name) for path in PROCESSES.iterdir() if path.name.isdigit())
    return [pid for pid in ids if pid != os.getpid()]


def _kill(pid: int, wanted: frozenset[bytes], deadline: float) -> bool:
    """Kill the process if it has what is wanted, and wait for it; whether it had.

    It is held by a descriptor from before it was looked at: its id may be given out again.
    """
    if not hasattr(os, "pidfd_open"):  # Pythons that were built with old headers.
        return _kill_by_id(pid, wanted, deadline)
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        without = error.errno in (errno.ENOSYS, errno.EPERM)  # Old kernels, and sandboxes.
        return without and _kill_by_id(pid, wanted, deadline)
    try:
        if not _has(pid, wanted):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:  # It ended, or is not ours.
        return False
    else:
        select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        return True
    finally:
        os.close(descriptor)


def _kill_by_id(pid: int, wanted: frozenset[bytes], deadline: float) -> bool:
    """The same where no process can be held: it is known again by when it began."""
    try:
        began = _began(pid)
        if not _has(pid, wanted) or _began(pid) != began:
            return False
        os.kill(pid, signal.SIGKILL)
    except OSError:  # It ended, or is not ours.
        return False
    with contextlib.suppress(OSError):
        while _has(pid, wanted) and _began(pid) == began and time.monotonic() < deadline:
            time.sleep(0.01)
    return True


def _has(pid: int, wanted: frozenset[bytes]) -> bool:
    return wanted <= set((PROCESSES / str(pid) / "environ").read_bytes().split(b"\0"))


def _began(pid: int) -> bytes:
    """Clock ticks since the machine's start; the name before it may hold anything."""
    return (PROCESSES / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[19]


def main() -> None:
    """Wait for the end of standard input, then end what the arguments (NAME=VALUE) name."""
    while os.read(0, 4096):
        pass
    end(dict(mark.split("=", 1) for mark in sys.argv[1:]))


if __name__ == "__main__":
    main()
