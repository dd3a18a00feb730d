"""What a run that ended badly leaves: processes nobody holds, checkpoints nobody needs."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import yaml

from population_operator.adapters.local import warden
from population_operator.core import retention
from population_operator.model.entry import WorkerHeld
from tests.builders import an_experiment
from tests.runs.conftest import Make
from tests.runs.support import LONG, POPULATION, PROGRAMS, STANDARD, Run, until

CLIMB = f"python {PROGRAMS / 'climb.py'}"
SHELLS = [f"{CLIMB}; exit $?", f"setsid {CLIMB} & wait"]


def in_a_shell(run: Run, script: str) -> Run:
    manifest = yaml.safe_load(run.manifest.read_text())
    manifest["spec"]["worker"]["local"]["command"] = ["sh", "-c", script]
    run.manifest.write_text(yaml.safe_dump(manifest))
    return run


def trainers(run: Run) -> list[psutil.Process]:
    return [p for p in run.workers().values() if "python" in p.name()]


@pytest.mark.parametrize("script", SHELLS)
def test_what_a_shell_started_ends_with_the_run(make: Make, script: str) -> None:
    run = in_a_shell(make(STANDARD, pace=0.2), script)
    process = run.start()
    until(lambda: run.state().reports >= 2, "it trains")
    assert not process.ended
    run.kill()
    process = run.start()
    until(lambda: run.state().reports >= 5, "it goes on")
    process.signal(signal.SIGINT)
    assert process.finish().code == 130
    assert run.workers() == {}


def test_what_is_left_all_the_same_ends_before_the_next_run_begins(make: Make) -> None:
    run = in_a_shell(make(STANDARD, pace=0.2), SHELLS[1])
    process = run.start()
    until(lambda: run.state().reports >= 2, "it trains")
    (watch,) = [
        child
        for child in psutil.Process(process.popen.pid).children()
        if any(argument.startswith(warden.MARK) for argument in child.cmdline())
    ]
    watch.kill()
    process.signal(signal.SIGKILL)
    process.popen.wait(LONG)
    left = [p for p in run.workers().values() if p.is_running()]
    assert left, "a session of its own outlives its shell"
    run.start()
    _, alive = psutil.wait_procs(left, timeout=10)
    assert alive == []
    assert run.processes[-1].finish().code == 0


def test_kills_while_it_starts_hold_no_worker_back(make: Make) -> None:
    """Each run that dies takes its workers along: that says nothing about the workers."""
    run = make(an_experiment().size(2).synchronous().steps(10, 20), pace=0.3)
    for _ in range(4):
        seen = run.count()
        run.start()
        until(
            lambda seen=seen: run.count() > seen and all_seen(run),
            "its workers are seen",
        )
        run.kill()
    assert run.complete()["phase"] == "Complete"
    entries = run.entries()
    held = [e for entry in entries for e in entry.decided if isinstance(e, WorkerHeld)]
    assert held == []


def all_seen(run: Run) -> bool:
    workers = run.state().workers.values()
    return bool(workers) and all(w.open and w.uid for w in workers)


def test_an_end_that_was_cut_short_is_finished(make: Make) -> None:
    run = make(STANDARD)
    run.complete()
    lines = run.folder.journal.read_bytes().splitlines(keepends=True)
    run.folder.journal.write_bytes(b"".join(lines[:-1]))
    assert run.state().phase.ended
    assert not run.state().cleaned_up
    kept = {str(ref) for ref in retention.retained(run.state())}
    for rubbish in ("m0/1-10/sub", "m1/1-5", "m1/.tmp-1-7-00c0ffee"):
        (run.checkpoints / rubbish).mkdir(parents=True)
    (run.checkpoints / "m0" / "notes").mkdir()
    outcome = run.finish()
    assert outcome.code == 0
    assert checkpoints(run) == {*kept, "m0/notes"}
    run.check()


def checkpoints(run: Run) -> set[str]:
    return {f"{p.parent.name}/{p.name}" for p in run.checkpoints.glob("*/*")}


def test_who_interrupts_the_cleaning_up_waits_for_nobody(make: Make) -> None:
    run = make(STANDARD, program="hoards")
    process = run.start()
    until(lambda: run.state().phase.ended, "everybody is done")
    assert not run.state().cleaned_up
    process.signal(signal.SIGINT)
    outcome = process.finish(10)
    assert outcome.code == 0, outcome
    assert checkpoints(run) == {str(ref) for ref in retention.retained(run.state())}


def test_a_folder_is_relative_to_who_runs_and_not_to_the_manifest(make: Make) -> None:
    run = make(an_experiment().size(2).synchronous().steps(10, 20))
    elsewhere = run.manifest.parent / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [*POPULATION, "run", str(run.manifest)],
        cwd=elsewhere, capture_output=True, text=True, timeout=LONG, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = Path(elsewhere / "runs").iterdir()
    assert (folder / "result.json").exists()
    assert list(folder.glob("checkpoints/*/*"))
