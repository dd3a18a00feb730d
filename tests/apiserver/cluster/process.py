"""A server as a child process: a log file, bounded waits, signals; it dies with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
# The kernel ties a child's life to the thread that made it: this one lives as long as we do.
_SPAWNER = ThreadPoolExecutor(1, "spawner")


class ServerFailed(Exception):
    """A server did not start, or ended; the message ends with the tail of its log."""


def die_with_parent() -> None:
    """In a child between fork and exec: SIGKILL when the thread that started it is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One server. `start` after `kill` or `stop` runs the same command on the same files."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.name = Path(self.command[0]).name
        self.log = log
        self.environment = dict(environment) if environment is not None else None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise ServerFailed(f"{self.name} was not started")
        return self._child.pid

    def start(self) -> None:
        if self.running:
            return
        self._child = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        parent = os.getpid()

        def prepare() -> None:
            die_with_parent()
            if os.getppid() != parent:
                os._exit(1)

        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,
                env=self.environment,
            )

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Raises `ServerFailed` where `ready` does not come true in time or the server ends."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise ServerFailed(f"{self.name} ended at its start\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} is not ready after {seconds:g} s\n{self.tail()}")
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        if self._child is not None and self.running:
            self._child.send_signal(number)

    def pause(self) -> None:
        """Stops its clock: connections stay open and nobody answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """As a crash: SIGKILL."""
        self._end(signal.SIGKILL, 10)

    def stop(self, seconds: float = 3) -> None:
        """SIGTERM, and after `seconds` SIGKILL."""
        self.resume()
        self._end(signal.SIGTERM, seconds)

    def _end(self, number: int, seconds: float) -> None:
        if self._child is None:
            return
        self.signal(number)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(10)
        self._child = None

    def tail(self, lines: int = 25) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        shown = "\n".join(f"  {line[:400]}" for line in text.splitlines()[-lines:])
        return f"the end of {self.log}:\n{shown}"
