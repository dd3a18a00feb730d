"""A checkpoint whose bytes have changed in the middle of a run: another one takes its place."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from population_operator.model.report import CheckpointRef
from tests.builders import an_experiment
from tests.runs.conftest import Make
from tests.runs.support import Run, flip, until

EXPERIMENT = an_experiment().size(4, parallelism=1).truncation(0.25).synchronous().steps(10, 60)


def spoil(run: Run, member: str) -> None:
    """Flip a byte in each checkpoint of a member, and remember which ones share the bytes."""
    inodes = set()
    for file in run.checkpoints.glob(f"{member}/*/weights.json"):
        with contextlib.suppress(FileNotFoundError):  # Retention was faster.
            inodes.add(file.stat().st_ino)
    for inode in inodes:
        shared = [f for f in run.checkpoints.glob("*/*/weights.json") if _inode(f) == inode]
        if shared:
            flip(shared[0])
            run.spoiled.update(map(_ref, shared))


def _inode(file: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_ino
    return 0


def _ref(file: Path) -> CheckpointRef:
    directive, step = file.parent.name.split("-")
    return CheckpointRef(member=file.parent.parent.name, directive=int(directive), step=int(step))


def reached(run: Run, step: int) -> bool:
    members = run.state().members.values() if run.count() else ()
    return len(members) == 4 and min(m.step for m in members) >= step


def test_a_run_completes_by_failover_and_says_so(make: Make) -> None:
    run = make(EXPERIMENT, pace=0.05)
    process = run.start()
    until(lambda: process.ended or reached(run, 20), "two rounds")
    process.signal(signal.SIGSTOP)  # One worker alone loads before each turn: it must not be first.
    for member in ("m0", "m1"):
        spoil(run, member)
    process.signal(signal.SIGCONT)
    outcome = process.finish()
    assert outcome.code == 0, (outcome.err, run.worker_output())
    failovers = [d for d in run.result()["decisions"] if d["kind"] == "failover"]
    assert failovers
    for it in failovers:
        assert it["from"]["member"] != it["member"]
        assert "cannot be restored" in it["reason"]
        assert "digest" in it["reason"]
    assert "could not restore" in outcome.out
    assert "continues as a clone of" in outcome.out
    assert {m["step"] for m in run.result()["members"]} == {60}
    bad = {str(ref) for ref in run.state().bad}
    assert bad
    assert bad <= {str(ref) for ref in run.spoiled}
    best = Path(run.result()["best"]["checkpoint"])
    assert f"{best.parent.name}/{best.name}" not in bad


def test_a_checkpoint_that_vanished_while_it_rested(make: Make) -> None:
    run = make(EXPERIMENT, pace=0.05)
    process = run.start()
    until(lambda: process.ended or reached(run, 20), "two rounds")
    run.kill()
    lost = [ref for ref in run.retained() if ref.member == "m2"]
    for ref in lost:
        run.spoiled.add(ref)
        folder = run.checkpoints / str(ref)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    outcome = run.finish()
    assert outcome.code == 0, outcome.err
    assert {m["step"] for m in run.result()["members"]} == {60}


def test_when_every_checkpoint_is_lost_it_starts_again(make: Make) -> None:
    run = make(EXPERIMENT.size(2), pace=0.05)
    process = run.start()
    until(lambda: process.ended or run.state().reports >= 4, "it trains")
    run.kill()
    for member in ("m0", "m1"):
        spoil(run, member)
    outcome = run.finish()
    assert outcome.code == 0, outcome.err
    assert {m["step"] for m in run.result()["members"]} == {60}
