"""Whether an experiment that is deleted may have left something on its volume."""

from __future__ import annotations

import pytest

from population_operator.adapters.kubernetes.views import _events
from population_operator.app.operator.controller import may_have_saved
from population_operator.core.fold import fold
from population_operator.model.entry import Cause, Entry, MemberFailed, Phase, WorkerGone
from population_operator.model.state import State
from tests.journals import Remembers, a_run, crashing, small

ENTRIES = a_run(small(), Remembers(0.6), crashing()).entries


@pytest.mark.parametrize(
    ("phase", "expected"),
    [("", False), ("Pending", False), ("Refused", False), ("Running", True), ("Failed", True)],
)
def test_without_its_journal_the_status_is_asked(phase: str, expected: bool) -> None:
    """In a deletion in the foreground the journal goes first."""
    body = {"status": {"phase": phase}} if phase else {}
    assert may_have_saved(State(), body) == expected


def test_from_the_first_start_of_a_worker_on_it_may_and_never_again_not() -> None:
    state, before = State(), False
    for entry in ENTRIES:
        state = fold(state, entry)
        now = may_have_saved(state, {})
        assert now or not before, f"forgotten by entry {entry.seq}"
        before = now
    assert before
    assert not may_have_saved(fold(State(), ENTRIES[0]), {})


def test_a_worker_that_was_closed_before_it_reported_may_have_saved() -> None:
    state = State()
    for entry in ENTRIES:
        state = fold(state, entry)
        if any(worker.started for worker in state.workers.values()):
            break
    worker = next(worker for worker in state.workers.values() if worker.started)
    gone = WorkerGone(worker=worker.name, incarnation=1, cause=Cause.EXITED, detail="")
    closed = fold(state, Entry(seq=state.seq + 1, time=state.time, observed=(gone,)))
    assert closed.reports == 0 and closed.phase is Phase.RUNNING
    assert may_have_saved(closed, {})


def test_events_of_a_pass_after_a_restart_need_no_state_before_it() -> None:
    entry = next(e for e in ENTRIES if any(isinstance(d, MemberFailed) for d in e.decided))
    told = _events(None, (entry,))
    assert any(one.reason == "MemberFailed" for one in told)
