"""SIGTERM: a waiting worker ends its loops, a training one ends at once, a commit is finished."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

EXIT_STATUS = 128 + signal.SIGTERM


class Termination:
    """Turns SIGTERM into SystemExit(143), except where the SDK itself is at work.

    The handler runs in the main thread, between any two instructions, so it takes no lock: a
    helper thread calls `stop`.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._arrivals: queue.SimpleQueue[bool] = queue.SimpleQueue()  # its put is reentrant
        self._shielded = False
        self._process = os.getpid()
        self._previous: object = None
        self._installed = False
        self.arrived = False

    def install(self) -> None:
        """Handle SIGTERM, where this is the main thread: elsewhere Python cannot."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._previous = signal.signal(signal.SIGTERM, self._handle)
        self._installed = True
        threading.Thread(target=self._forward, name="sigterm", daemon=True).start()

    def uninstall(self) -> None:
        """Give SIGTERM back to who handled it before."""
        if self._installed and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)  # type: ignore[arg-type]
            self._installed = False
        self._arrivals.put(False)

    @contextlib.contextmanager
    def shielded(self, shielded: bool = True) -> Iterator[None]:
        """Hold SIGTERM back while the block runs; with False, let it through within a shield."""
        before, self._shielded = self._shielded, shielded
        try:
            if not shielded:
                self.check()
            yield
        finally:
            self._shielded = before

    def check(self) -> None:
        """Raise SystemExit(143) if SIGTERM was held back."""
        if self.arrived:
            raise SystemExit(EXIT_STATUS)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a forked child, a data loader's worker: as by default
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        self.arrived = True
        self._arrivals.put(True)
        if not self._shielded:
            raise SystemExit(EXIT_STATUS)

    def _forward(self) -> None:
        if self._arrivals.get():
            self._stop()
