"""`kill -9` of a worker: its member goes on from the last checkpoint that was committed."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from population_operator.model.entry import MemberFailed, WorkerGone
from tests.runs.conftest import Make
from tests.runs.support import STANDARD, Run, until


def trains(run: Run, worker: str) -> bool:
    """Whether it is in the middle of its second interval, or of a later one."""
    state = run.state()
    known = state.workers.get(worker)
    member = state.members.get(known.member or "") if known else None
    return known is not None and known.delivered and member is not None and not member.reported


def waits(run: Run, worker: str) -> bool:
    """Whether it has reported, while others still train."""
    state = run.state()
    known = state.workers.get(worker)
    member = state.members.get(known.member or "") if known else None
    return member is not None and member.reported


def strike(
    run: Run,
    worker: str,
    when: Callable[[Run, str], bool] = trains,
    number: signal.Signals = signal.SIGKILL,
) -> None:
    """Signal the worker's process at the first such moment."""
    process = run.processes[-1]
    until(lambda: process.ended or when(run, worker), f"{worker} {when.__name__}")
    assert not process.ended
    found = run.workers()
    next(p for name, p in found.items() if name.startswith(f"{worker}-")).send_signal(number)


def test_the_member_goes_on_and_nothing_else_changes(make: Make, undisturbed: Run) -> None:
    run = make(STANDARD, pace=0.2)
    process = run.start()
    strike(run, "w1")
    outcome = process.finish()
    assert outcome.code == 0, outcome.err
    assert run.result()["decisions"] == undisturbed.result()["decisions"]
    assert run.scores() == undisturbed.scores(), "an interval that is repeated repeats itself"
    gone = [e for entry in run.entries() for e in entry.observed if isinstance(e, WorkerGone)]
    assert [(g.worker, g.incarnation) for g in gone] == [("w1", 1)]
    assert "killed by SIGKILL" in gone[0].detail
    failed = [e for entry in run.entries() for e in entry.decided if isinstance(e, MemberFailed)]
    assert len(failed) == 1
    assert "SIGKILL" in outcome.out, "the user is told"
    steps = [(r.decision.id, r.report.step) for r in run.history().reports]
    assert len(steps) == len(set(steps)) == 15, "nothing that was reported was trained again"


def test_every_worker_killed_at_once(make: Make, undisturbed: Run) -> None:
    run = make(STANDARD, pace=0.2)
    process = run.start()
    until(lambda: trains(run, "w2"), "it trains")
    for worker in run.workers().values():
        worker.kill()
    assert process.finish().code == 0
    assert run.result()["decisions"] == undisturbed.result()["decisions"]


def test_a_member_that_fails_too_often_is_replaced_by_a_clone(make: Make) -> None:
    run = make(STANDARD.max_restarts(0), pace=0.2)
    process = run.start()
    strike(run, "w0")
    outcome = process.finish()
    assert outcome.code == 0, outcome.err
    (replaced,) = [d for d in run.result()["decisions"] if d["kind"] == "replace"]
    assert replaced["from"]["member"] != replaced["member"]
    assert "SIGKILL" in replaced["reason"]
    assert len(run.result()["members"]) == 3
    assert {m["step"] for m in run.result()["members"]} == {50}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_between_two_turns_costs_its_member_nothing(
    make: Make, number: signal.Signals
) -> None:
    """It waits while the slower ones train: its report is in, so no work is lost or charged."""
    run = make(STANDARD.size(2).steps(10, 20), pace=0.2, slow="m1:1.0")
    process = run.start()
    strike(run, "w0", waits, number)
    assert process.finish().code == 0
    failed = [e for entry in run.entries() for e in entry.decided if isinstance(e, MemberFailed)]
    assert failed == []
