"""A small process that outlives this one, by as long as it takes to end what it left."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid

from population_operator.adapters.local import leftovers

MARK = "POPULATION_CONTROLLER"
"""The variable that all workers of one controller share with nobody else."""


class Warden:
    """Watches over one controller's workers; `close` ends what is left of them, and so does death.

    Attributes:
      marks: what has to be in the environment of each worker.
    """

    def __init__(self) -> None:
        self.marks = {MARK: uuid.uuid4().hex}
        arguments = [f"{name}={value}" for name, value in self.marks.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", leftovers.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,
        )

    def close(self) -> None:
        """Return when nothing of them is left, or after some seconds."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2 * leftovers.SECONDS)
