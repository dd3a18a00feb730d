"""What the tests of whole runs share: the real program, real processes, real files.

Nothing is mocked. A `Run` is a manifest and a folder; each `start` is one `population run` on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.core import retention
from population_operator.core.fold import fold
from population_operator.core.history import History, history
from population_operator.core.verify import verify
from population_operator.model.entry import Entry
from population_operator.model.report import CheckpointRef
from population_operator.model.state import State
from population_worker.checkpoints import CheckpointStore
from population_worker.digests import CorruptCheckpoint
from tests.builders import ExperimentBuilder, an_experiment

PROGRAMS = Path(__file__).parent / "programs"
POPULATION = (
    sys.executable,
    "-c",
    "from population_operator.app.cli import main; main()",
)
STANDARD = an_experiment().size(3).truncation(0.34).synchronous().steps(10, 50)
"""What most tests disturb; the fixture `undisturbed` is how it goes without."""

LONG = 60.0
"""Seconds after which something that should have happened did not."""


@dataclass(frozen=True)
class Outcome:
    """How one `population run` ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr; more than one, or none, is a failure."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, f"{len(lines)} lines on stderr: {self.err!r}"
        return lines[0]


def until(condition: Callable[[], bool], what: str, seconds: float = LONG) -> None:
    """Wait for a condition of the real world, for a bounded time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.005)


@dataclass
class Process:
    """One `population run` that goes on, with its output in files."""

    popen: subprocess.Popen[bytes]
    logs: Path

    def finish(self, seconds: float = LONG) -> Outcome:
        """Wait for its end."""
        self.popen.wait(seconds)
        out, err = (self.logs.with_suffix(end).read_text() for end in (".out", ".err"))
        assert "Traceback" not in err, err
        return Outcome(self.popen.returncode, out, err)

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends by itself in that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
        return self.ended


@dataclass
class Run:
    """A manifest, the folder of its run, and whoever works on it."""

    manifest: Path
    folder: RunFolder
    processes: list[Process] = field(default_factory=list)
    spoiled: set[CheckpointRef] = field(default_factory=set)

    # --- the program ---

    def start(self, *options: str, before: Callable[[], object] | None = None) -> Process:
        """Begin, or go on: the same command."""
        logs = self.manifest.parent / f"run-{len(self.processes)}"
        with logs.with_suffix(".out").open("wb") as out, logs.with_suffix(".err").open("wb") as err:
            popen = subprocess.Popen(
                [*POPULATION, "run", str(self.manifest), "--output", str(self.folder.root),
                 *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.manifest.parent,
                start_new_session=True,
                preexec_fn=before,
            )  # fmt: skip
        self.processes.append(Process(popen, logs))
        return self.processes[-1]

    def finish(self, *options: str, seconds: float = LONG) -> Outcome:
        """`start`, and wait for the end."""
        return self.start(*options).finish(seconds)

    def complete(self, *options: str) -> dict[str, Any]:
        """`finish`; it has to be Complete. Returns `result.json`."""
        outcome = self.finish(*options)
        assert outcome.code == 0, (outcome.out[-2000:], outcome.err, self.worker_output())
        result = self.result()
        assert result["phase"] == "Complete"
        return result

    def command(self, name: str) -> subprocess.CompletedProcess[str]:
        """Another command on the folder: verify, status, ..."""
        return subprocess.run(
            [*POPULATION, name, str(self.folder.root)], capture_output=True, text=True, timeout=LONG
        )

    # --- what it leaves ---

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.folder.result.read_text())
        return found

    def entries(self) -> tuple[Entry, ...]:
        """The journal so far, also while it is being written."""
        return read(self.folder.journal) if self.folder.journal.exists() else ()

    def state(self) -> State:
        state = State()
        for entry in self.entries():
            state = fold(state, entry)
        return state

    def history(self) -> History:
        return history(self.entries())

    def count(self) -> int:
        """How many lines the journal has; cheaper than to read it."""
        with contextlib.suppress(FileNotFoundError):
            return self.folder.journal.read_bytes().count(b"\n")
        return 0

    def scores(self) -> dict[tuple[str, int], float]:
        """The score of each accepted report, by decision and step."""
        return {(r.decision.id, r.report.step): r.report.score for r in self.history().reports}

    @property
    def checkpoints(self) -> Path:
        return self.folder.checkpoints(self.state().spec.metadata.uid)

    def worker_output(self) -> dict[str, str]:
        """The last words of each worker, for a failing test's message."""
        return {log.name: log.read_text()[-500:] for log in sorted(self.folder.logs.glob("*"))}

    # --- its workers ---

    def workers(self) -> dict[str, psutil.Process]:
        """Processes that were started as workers of this folder, whoever their parent is now."""
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                env = process.environ()
                if env.get("POPULATION_CHECKPOINTS", "").startswith(str(self.folder.root)):
                    found[f"{env['POPULATION_WORKER']}-{env['POPULATION_INCARNATION']}"] = process
        return found

    def kill(self) -> None:
        """kill -9, and see that no worker is left behind."""
        process = self.processes[-1]
        process.signal(signal.SIGKILL)
        process.popen.wait(LONG)
        until(lambda: not self.workers(), "workers end with the one who started them", 10)

    # --- what must hold whatever happened ---

    def check(self) -> None:
        """The journal verifies, and what it retains is on the disk, byte for byte."""
        entries = self.entries()
        if not entries:
            return
        verdict = verify(entries)
        assert verdict.divergence is None, verdict.divergence
        for ref in self.retained():
            if ref in self.spoiled or ref in verdict.state.bad:
                continue
            self.verify_bytes(ref)

    def retained(self) -> frozenset[CheckpointRef]:
        return retention.retained(self.state())

    def verify_bytes(self, ref: CheckpointRef) -> None:
        """The checkpoint is there, and its files are what its manifest says."""
        import hashlib

        try:
            checkpoint = CheckpointStore(self.checkpoints).open(_theirs(ref))
        except CorruptCheckpoint as error:
            raise AssertionError(f"{ref} is lost: {error}") from error
        for file in checkpoint.manifest.files:
            data = (checkpoint.folder / file.path).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file.sha256, f"{ref}: {file.path}"


def _theirs(ref: CheckpointRef) -> Any:
    """The same name, as the worker's SDK has it: the two share no code."""
    from population_worker.directive import CheckpointRef as WorkersRef

    return WorkersRef(ref.member, ref.directive, ref.step)


def flip(file: Path) -> None:
    """Change one byte of a file in its place, as a bad disk does: hard links see it, too."""
    mode = file.stat().st_mode
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.seek(-2, os.SEEK_END)
        byte = opened.read(1)
        opened.seek(-2, os.SEEK_END)
        opened.write(bytes([byte[0] ^ 0x01]))
    file.chmod(mode)


def write_manifest(path: Path, experiment: ExperimentBuilder, program: str, **env: object) -> None:
    """The experiment as a user's file, with one of `programs/` as its worker."""
    manifest = experiment.set(
        "spec.worker.local",
        {
            "command": ["python", str(PROGRAMS / f"{program}.py")],
            "env": {name.upper(): str(value) for name, value in env.items()},
        },
    ).manifest
    manifest["metadata"].pop("uid", None)
    path.write_text(yaml.safe_dump(_plain(manifest), sort_keys=False))


def _plain(value: Any) -> Any:
    """Durations as a manifest writes them."""
    from datetime import timedelta

    from population_operator.api.scalars import spelled

    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return spelled(value) if isinstance(value, timedelta) else value


def moments(seed: int, count: int, low: float, high: float) -> Iterator[float]:
    """Random moments that a failing test can be run with again."""
    import random

    rng = random.Random(seed)
    for _ in range(count):
        yield rng.uniform(low, high)
