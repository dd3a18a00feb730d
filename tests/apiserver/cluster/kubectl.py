"""kubectl as a process."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 120.0


class KubectlFailed(Exception):
    """What kubectl wrote to its standard error."""


def run(
    program: Path,
    kubeconfig: Path,
    *arguments: str,
    stdin: str | None = None,
    check: bool = True,
    seconds: float = SECONDS,
) -> str:
    """Its output; where it fails and not `check`, with its complaint.

    Raises:
      KubectlFailed: it failed, and `check`.
      subprocess.TimeoutExpired: it took longer.
    """
    done = subprocess.run(
        [program, f"--kubeconfig={kubeconfig}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode and check:
        raise KubectlFailed(done.stderr.strip() or done.stdout.strip())
    return done.stdout if check else done.stdout + done.stderr
