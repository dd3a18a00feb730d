"""One worker as a subprocess that ends with this process, however this one ends."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 5.0
TAIL_BYTES = 4096
THREADS = "OMP_NUM_THREADS"
"""What PyTorch, OpenBLAS and MKL all take the number of their threads from."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _end_with(parent: int) -> None:
    """Runs in the child: the kernel kills it when its parent is gone, kill -9 included."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It was gone before we could ask.
            os._exit(1)


def threads(workers: int) -> int:
    """How many threads each of `workers` processes may have, for all to share what cores we have.

    Libraries for linear algebra start one for each core, and then each waits for the others'.
    """
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, cores // workers)


async def spawn(
    command: Sequence[str], env: Mapping[str, str], folder: Path, log: Path
) -> asyncio.subprocess.Process:
    """Start the command in `folder` with its output going to `log`.

    Raises:
      OSError: it cannot be started.
    """
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
            preexec_fn=functools.partial(_end_with, os.getpid()),
        )


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, and after `GRACE_SECONDS` end it, with all that it started."""
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def explain(returncode: int, log: Path) -> str:
    """How it ended, and the last thing it said: one line."""
    if returncode < 0:
        how = f"killed by {_signal_name(-returncode)}"
    else:
        how = f"ended with exit code {returncode}"
    said = last_line(log)
    return f"{how}; it said: {said}; see {log}" if said else f"{how}; see {log}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # Real-time signals have numbers only.
        return f"signal {number}"


def last_line(log: Path) -> str:
    """The last line with text in it, or nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
