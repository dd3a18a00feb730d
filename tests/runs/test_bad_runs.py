"""What can go wrong on a user's machine: one line that says what to do, and the exit code."""

from __future__ import annotations

import json
import signal

from population_operator.model.entry import Cause, MemberFailed
from tests.builders import an_experiment
from tests.runs.conftest import Make
from tests.runs.support import Run, until

EXPERIMENT = an_experiment().size(2).synchronous().steps(10, 30)


def replace(run: Run, old: str, new: str) -> None:
    text = run.manifest.read_text()
    assert old in text, text
    run.manifest.write_text(text.replace(old, new))


# --- workers ---


def test_a_command_that_does_not_exist(make: Make) -> None:
    run = make(EXPERIMENT)
    replace(run, "- python\n", "- pyhton\n")
    outcome = run.finish()
    assert outcome.code == 2
    assert "spec.worker.local.command[0]" in outcome.line
    assert "'pyhton' is no program on this machine" in outcome.line
    assert not run.folder.root.exists(), "nothing was begun"


def test_a_program_that_does_not_exist(make: Make) -> None:
    """The command is there, what it is to run is not: Python says so, and that is passed on."""
    run = make(EXPERIMENT.max_restarts(0))
    replace(run, "climb.py", "clmb.py")
    outcome = run.finish()
    assert outcome.code == 1
    assert "clmb.py" in outcome.line
    assert "No such file" in outcome.line


def test_a_file_that_cannot_be_executed(make: Make) -> None:
    run = make(EXPERIMENT.max_restarts(0))
    program = run.manifest.parent / "train"
    program.write_bytes(b"\x00\x01 no program\n")
    program.chmod(0o755)
    replace(run, "- python\n", "- ./train\n")
    outcome = run.finish()
    assert outcome.code == 1
    assert "train: Exec format error" in outcome.line


def test_a_worker_that_exits_at_once(make: Make) -> None:
    run = make(EXPERIMENT.max_restarts(1), program="exits")
    outcome = run.finish()
    assert outcome.code == 1
    assert outcome.line.startswith("failed: WorkersFail: ")
    assert "failed 2 times in a row" in outcome.line
    assert "exit code 3" in outcome.line
    assert "CUDA error: no kernel image is available" in outcome.line
    assert str(run.folder.logs) in outcome.line, "where to read on"
    result = run.result()
    assert (result["phase"], result["reason"], result["best"]) == ("Failed", "WorkersFail", None)


def test_a_worker_that_never_reports(make: Make) -> None:
    run = make(EXPERIMENT.max_restarts(0).straggler_timeout(0.5), program="silent")
    outcome = run.finish()
    assert outcome.code == 1
    assert "no report for" in outcome.line
    assert "raise schedule.stragglerTimeout" in outcome.line
    causes = {
        e.cause for entry in run.entries() for e in entry.decided if isinstance(e, MemberFailed)
    }
    assert causes == {Cause.STRAGGLED}


def test_a_worker_that_cannot_use_its_hyperparameters(make: Make) -> None:
    """The program's own error, on its last line, is what the user sees."""
    run = make(EXPERIMENT.max_restarts(0).set("spec.parameters", _SHAPE))
    outcome = run.finish()
    assert outcome.code == 1
    assert "KeyError: 'lr'" in outcome.line


_SHAPE = [{"name": "batch", "integer": {"min": 1, "max": 9}}]


def test_scores_that_are_never_numbers(make: Make) -> None:
    run = make(EXPERIMENT, nan="all")
    outcome = run.finish()
    assert outcome.code == 1
    assert outcome.line == (
        "failed: NoFiniteScore: no member ever reported a finite score: "
        "lower the learning rate, or check data"
    )
    assert {m["score"] for m in run.result()["members"]} == {"nan"}


# --- the folder ---


def test_a_second_run_on_the_same_folder(make: Make) -> None:
    run = make(EXPERIMENT, program="silent")
    first = run.start()
    until(lambda: len(run.workers()) == 2, "it runs")
    second = run.finish()
    assert second.code == 2
    assert second.line == (
        f"population: {run.folder.journal} is being written by another process: "
        "wait for it, or use another folder"
    )
    assert len(run.workers()) == 2, "the first is not disturbed"
    first.signal(signal.SIGINT)
    assert first.finish().code == 130


def test_a_manifest_that_was_changed(make: Make) -> None:
    run = make(EXPERIMENT, pace=0.3)
    run.start()
    until(lambda: run.count() > 4, "it runs")
    run.kill()
    journal = run.folder.journal.read_bytes()
    good = run.manifest.read_text()
    for old, new, field in (
        ("max: 1.0", "max: 0.5", "spec.parameters[0].float.max"),
        ("maxSteps: 30", "maxSteps: 20", "spec.schedule.maxSteps"),
        ("name: test", "name: other", "metadata.name"),
    ):
        replace(run, old, new)
        outcome = run.finish()
        assert outcome.code == 2
        assert outcome.line.startswith(f"{run.manifest}: {field}: "), outcome.line
        assert run.folder.journal.read_bytes() == journal
        run.manifest.write_text(good)
    run.complete()


def test_another_seed_on_the_command_line_is_a_change_too(make: Make) -> None:
    run = make(EXPERIMENT)
    run.complete("--seed", "5")
    outcome = run.finish("--seed", "6")
    assert outcome.code == 2
    assert "spec.population.seed" in outcome.line


def test_a_journal_that_was_edited(make: Make) -> None:
    run = make(EXPERIMENT)
    run.complete()
    good = run.folder.journal.read_bytes()
    lines = good.splitlines(keepends=True)
    for bad, where in (
        ([*lines[:3], b"<<<<<<< HEAD\n", *lines[3:]], "line 4"),
        ([*lines[:3], *lines[4:]], "line 4"),
    ):
        run.folder.journal.write_bytes(b"".join(bad))
        outcome = run.finish()
        assert outcome.code == 1
        assert f"{run.folder.journal}: {where} " in outcome.line
        assert "restore it, or move it away to start over" in outcome.line
        assert run.folder.journal.read_bytes() == b"".join(bad), "it is left as it is"
    run.folder.journal.write_bytes(good)


def test_an_output_that_is_a_file(make: Make) -> None:
    run = make(EXPERIMENT)
    run.folder.root.write_text("precious")
    outcome = run.finish()
    assert outcome.code == 1
    assert str(run.folder.root) in outcome.line
    assert run.folder.root.read_text() == "precious"
    run.folder.root.unlink()


def test_what_a_failed_run_has_trained_is_kept(make: Make) -> None:
    """Everybody fails, late: the best so far is in the result, and its checkpoint is whole."""
    run = make(EXPERIMENT.max_restarts(0).steps(10, 100), dies="30")
    outcome = run.finish()
    assert outcome.code == 1
    assert "exit code 9" in outcome.line
    best = run.result()["best"]
    assert best["step"] == 20
    weights = json.loads((run.folder.root / best["checkpoint"] / "weights.json").read_text())
    assert weights["height"] == best["score"]
