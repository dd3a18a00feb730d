"""A disk that is full or read-only: one line, exit code 1, and nothing trained is lost."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.conftest import Make
from tests.runs.support import STANDARD, Run, until

EXPERIMENT = STANDARD.max_restarts(10)


def mount(*arguments: str) -> bool:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    return done.returncode == 0


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path | None]:
    """A small file system of its own; none where we may not mount one."""
    place = tmp_path / "volume"
    place.mkdir()
    if os.getuid() != 0 or not mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)):
        yield None
        return
    yield place
    mount("-o", "remount,rw", str(place))


@pytest.fixture(autouse=True)
def _unmount(tmp_path: Path) -> Iterator[None]:
    """After everything else, the checks of the run included."""
    yield
    with contextlib.suppress(OSError):
        subprocess.run(["umount", str(tmp_path / "volume")], capture_output=True)


def fill(folder: Path) -> Path:
    """Not one byte is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def goes_on(run: Run, undisturbed: Run) -> None:
    """The same command completes, with the decisions of an undisturbed run."""
    assert run.complete()["decisions"] == undisturbed.result()["decisions"]


def test_the_volume_runs_full_and_is_freed_again(
    make: Make, undisturbed: Run, volume: Path | None
) -> None:
    if volume is None:
        warnings.warn(
            "no right to mount a tmpfs: a full VOLUME is not tested here, only a full journal "
            "(test_the_journal_cannot_grow)",
            stacklevel=1,
        )
        return
    run = make(EXPERIMENT, at=volume / "out", pace=0.1, population_save_retry_seconds=1)
    process = run.start()
    until(lambda: process.ended or run.state().reports >= 4, "it trains")
    ballast = fill(volume)
    outcome = process.finish()
    assert outcome.code == 1
    assert str(volume) in outcome.line
    assert "no space left on device" in outcome.line
    assert "free space" in outcome.line
    assert run.workers() == {}
    trained = run.scores()
    assert len(trained) >= 4
    ballast.unlink()
    run.check()
    goes_on(run, undisturbed)
    assert trained.items() <= run.scores().items(), "what was trained was not trained again"


def test_checkpoints_that_are_too_large_for_the_volume(make: Make, volume: Path | None) -> None:
    if volume is None:
        warnings.warn("no right to mount a tmpfs: not tested here", stacklevel=1)
        return
    run = make(
        EXPERIMENT.max_restarts(0),
        program="fills",
        at=volume / "out",
        population_save_retry_seconds=0.5,
    )
    outcome = run.finish()
    assert outcome.code == 1
    assert str(volume) in outcome.line
    assert "no space left on device" in outcome.line.lower()


def test_the_journal_cannot_grow(make: Make, undisturbed: Run) -> None:
    """The same without any right: a limit on the size of files, set while it runs."""
    run = make(EXPERIMENT, pace=0.1)
    process = run.start()
    until(lambda: process.ended or run.state().reports >= 4, "it trains")
    limit = run.folder.journal.stat().st_size + 200  # In the middle of the next line.
    resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    outcome = process.finish()
    assert outcome.code == 1
    assert outcome.line == (
        f"population: {run.folder.journal}: file too large: "
        "raise the limit on file sizes; the same command goes on from here"
    )
    assert run.workers() == {}
    assert run.folder.journal.read_bytes().endswith(b"\n"), "no torn line is left"
    goes_on(run, undisturbed)


def test_a_volume_that_becomes_read_only(make: Make, undisturbed: Run, volume: Path | None) -> None:
    if volume is None:
        warnings.warn("no right to mount a tmpfs: not tested here", stacklevel=1)
        return
    run = make(EXPERIMENT, at=volume / "out", pace=0.1)
    process = run.start()
    until(lambda: process.ended or run.state().reports >= 4, "it trains")
    process.signal(signal.SIGSTOP)
    for worker in run.workers().values():
        worker.kill()  # Nothing may be open for writing while the mount is changed.
    process.signal(signal.SIGKILL)
    process.popen.wait(10)
    assert mount("-o", "remount,ro", str(volume))
    outcome = run.finish()
    assert outcome.code == 1
    assert str(volume) in outcome.line
    assert "read-only file system" in outcome.line
    assert mount("-o", "remount,rw", str(volume))
    goes_on(run, undisturbed)


def test_a_folder_that_cannot_be_written_to(make: Make, tmp_path: Path) -> None:
    """/sys refuses even root, everywhere."""
    if os.getuid() == 0:
        place = Path("/sys/population-run")
    else:
        (tmp_path / "closed").mkdir(mode=0o555)
        place = tmp_path / "closed" / "run"
    run = make(EXPERIMENT, at=place)
    outcome = run.finish()
    assert outcome.code == 1
    assert outcome.line.startswith(f"population: {place}: ")
    assert "make it writable, or use another --output" in outcome.line
