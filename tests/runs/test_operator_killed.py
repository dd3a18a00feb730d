"""`kill -9` of `population run` at any moment, and the same command again: nothing changes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from tests.builders import an_experiment
from tests.runs.conftest import Make
from tests.runs.support import Run, until

KILLS = 20
SEED = 20170711

MakeExample = Callable[..., Run]


def kill_at(run: Run, entries: int, pause: float) -> bool:
    """Start, and kill once the journal has grown by so many entries, and a moment later.

    Returns false where the run had ended before.
    """
    before, process = run.count(), run.start()
    until(lambda: process.ended or run.count() >= before + entries, "the journal grows")
    time.sleep(pause)
    if process.ended:
        assert process.finish().code == 0
        return False
    run.kill()
    run.check()
    return True


@pytest.mark.slow
def test_twenty_kills_change_no_decision_of_triangle(make_example: MakeExample) -> None:
    undisturbed = make_example("triangle", parallelism=2).complete()
    assert sum(d["kind"] == "exploit" for d in undisturbed["decisions"]) > 10
    rng = random.Random(SEED)
    done, run = 0, make_example("triangle", parallelism=2)
    while done < KILLS:
        # From "nothing is written yet" to "in the middle of a round", and every moment in between.
        entries, pause = rng.randint(0, 24), rng.uniform(0, 0.05 if rng.random() < 0.8 else 0.5)
        print(f"kill {done + 1} (seed {SEED}): {entries} entries and {pause:.3f} s after a start")
        if kill_at(run, entries, pause):
            done += 1
            continue
        assert run.result()["decisions"] == undisturbed["decisions"]
        run = make_example("triangle", parallelism=2)  # It was over before: go on with another one.
    again = run.complete()
    assert again["decisions"] == undisturbed["decisions"]
    assert again["best"]["score"] == undisturbed["best"]["score"]
    assert [m["score"] for m in again["members"]] == [m["score"] for m in undisturbed["members"]]
    assert again["schedule"] == undisturbed["schedule"]
    verified = run.command("verify")
    assert verified.returncode == 0, verified.stderr
    assert "all of them follow" in verified.stdout


@pytest.mark.slow
def test_kills_change_neither_decisions_nor_scores_of_digits(make_example: MakeExample) -> None:
    """Real tensors, optimizers and random states: an interval that is repeated repeats itself."""
    numbers = {"size": 4, "parallelism": 1, "interval": 20, "maxSteps": 120}
    one = make_example("digits", **numbers)
    undisturbed = one.complete()
    assert any(d["kind"] == "exploit" for d in undisturbed["decisions"])
    rng, run = random.Random(SEED), make_example("digits", **numbers)
    for entries in (8, 9):
        pause = rng.uniform(0, 0.1)
        print(f"kill (seed {SEED}): {entries} entries and {pause:.3f} s after a start")
        assert kill_at(run, entries, pause), "it was over before: make the example longer"
    again = run.complete()
    assert again["decisions"] == undisturbed["decisions"]
    assert run.scores() == one.scores()
    assert [m["score"] for m in again["members"]] == [m["score"] for m in undisturbed["members"]]
    assert run.command("verify").returncode == 0


@pytest.mark.slow
def test_kills_change_no_decision_of_pb2(make: Make) -> None:
    """A model is fitted to the fold: what it chose, and expected, is the same to the last bit."""
    builder = an_experiment().set("spec.algorithm", {"pb2": {}}).size(3).synchronous()
    builder = builder.steps(10, 120)
    one = make(builder, pace=0.02)
    undisturbed = one.complete()
    assert sum("expected" in d for d in undisturbed["decisions"]) >= 5
    rng, run = random.Random(SEED), make(builder, pace=0.02)
    for number in range(3):
        entries, pause = rng.randint(4, 8), rng.uniform(0, 0.1)
        print(f"kill {number + 1} (seed {SEED}): {entries} entries and {pause:.3f} s after a start")
        assert kill_at(run, entries, pause), "it was over before: make the experiment longer"
    again = run.complete()
    assert again["decisions"] == undisturbed["decisions"]
    assert run.scores() == one.scores()
    assert again["schedule"] == undisturbed["schedule"]
    verified = run.command("verify")
    assert verified.returncode == 0, verified.stderr


def test_a_kill_while_nothing_is_written_yet(make: Make) -> None:
    run = make(an_experiment().size(2).synchronous().steps(10, 20))
    for pause in (0.0, 0.05, 0.2, 0.4):
        run.start()
        time.sleep(pause)
        run.kill()
    assert [d["id"] for d in run.complete()["decisions"][:2]] == ["m0/1", "m1/1"]


def test_a_run_that_is_over_stays_over(make: Make) -> None:
    run = make(an_experiment().size(2).synchronous().steps(10, 20))
    result, journal = run.complete(), run.folder.journal.read_bytes()
    run.folder.result.unlink()
    outcome = run.finish()
    assert outcome.code == 0
    assert "ended" in outcome.out
    assert run.folder.journal.read_bytes() == journal
    assert run.result() == result, "what was lost is written again from the journal"


@pytest.mark.parametrize("synchronous", [True, False])
def test_without_a_seed_a_kill_draws_no_new_numbers(make: Make, synchronous: bool) -> None:
    """The random numbers of a run without a seed are those of its uid, which is in the journal."""
    builder = an_experiment().unseeded().size(3).steps(10, 40)
    run = make(builder.synchronous() if synchronous else builder, pace=0.05)
    starts = None
    for entries in (3, 8):
        assert kill_at(run, entries, 0.02)
        found = [d.decision for d in run.history().decisions if d.decision.count == 1]
        assert starts in (None, found)
        starts = found
    run.complete()
