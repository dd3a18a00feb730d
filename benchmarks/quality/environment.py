"""The peers' environment: an interpreter of its own with other people's optimisers (1 GB).

`python -m benchmarks.quality.bandits --install` makes it, once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path.home() / ".cache" / "population-operator" / "peers"


def interpreter() -> Path:
    """The peers' Python.

    Raises:
      SystemExit: they are not installed.
    """
    python = PEERS / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python} is missing: python -m benchmarks.quality.bandits --install")
    return python


def install() -> None:
    """Make the environment."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--python", sys.executable, PEERS], check=True)
    subprocess.run(
        [uv, "pip", "install", "--python", PEERS / "bin" / "python", "-r", "pyproject.toml",
         "--extra", "peers"], cwd=ROOT, check=True,
    )  # fmt: skip


def ask(tasks: Sequence[dict[str, Any]], processes: int) -> Iterator[dict[str, Any]]:
    """What `peers.py` says to each task, in their order, as soon as it says it.

    Raises:
      CalledProcessError: it failed.
    """
    command = [interpreter(), "-m", "benchmarks.quality.peers", "--processes", str(processes)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_DEDUP_LOGS": "0"},
    ) as peers:  # fmt: skip
        assert peers.stdin is not None and peers.stdout is not None
        peers.stdin.write(json.dumps(tasks))
        peers.stdin.close()
        for line in peers.stdout:
            if line.startswith('{"task"'):
                yield json.loads(line)
    if peers.returncode:
        raise subprocess.CalledProcessError(peers.returncode, command)
