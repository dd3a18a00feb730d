"""Histories of real journals: nothing that the fold accepted is missing, nothing else is there."""

from __future__ import annotations

import pytest

from population_operator.core.fold import JournalGapError, fold
from population_operator.core.history import DecisionTaken, History, PhaseEntered, history
from population_operator.core.incidents import IncidentKind
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import Cause, Entry, Issued, Phase, Reported
from population_operator.model.state import State
from tests.journals import Remembers, Run, a_run, crashing, small


@pytest.fixture(scope="module")
def crashed() -> Run:
    return a_run(small().initial({"lr": 0.9}), Remembers(nan_above=0.6), crashing())


def test_its_state_is_the_fold_after_every_entry(crashed: Run) -> None:
    found, state = History(), State()
    for entry in crashed.entries:
        found.add(entry)
        state = fold(state, entry)
        assert found.state == state
        assert len(found.reports) == state.reports
        assert len(found.decisions) == state.decisions
        assert (
            sum(t.decision.kind is DecisionKind.EXPLOIT for t in found.decisions) == state.exploits
        )


def test_entry_by_entry_and_all_at_once_are_the_same(crashed: Run) -> None:
    found, told = History(), []
    for entry in crashed.entries:
        told += found.add(entry)
    assert found == history(crashed.entries)
    assert told == found.happenings


def test_a_gap_is_refused(crashed: Run) -> None:
    with pytest.raises(JournalGapError):
        history(crashed.entries[:3] + crashed.entries[4:])


def test_what_names_nobody_is_refused(crashed: Run) -> None:
    entries = list(crashed.entries)
    place = next(n for n, e in enumerate(entries) if any(isinstance(d, Issued) for d in e.decided))
    forged = Issued(worker="w0", incarnation=1, member="m99")
    decided = (*entries[place].decided, forged)
    entries[place] = entries[place].model_copy(update={"decided": decided})
    with pytest.raises(JournalGapError, match=rf"entry {place + 1} .*'m99'"):
        history(entries)


def test_a_report_that_the_fold_refuses_is_none() -> None:
    """The same report again, under a new cursor: it was accepted once."""
    run = a_run(small(), steps=8)
    found = history(run.entries)
    before = len(found.reports)
    event = next(e for entry in reversed(run.entries) for e in entry.observed if e.kind == "report")
    assert isinstance(event, Reported)
    cursor = run.state.workers[event.worker].cursor + 1
    again = event.model_copy(update={"cursor": cursor})
    stale = event.model_copy(update={"incarnation": event.incarnation - 1})
    entry = Entry(seq=run.state.seq + 1, time=run.state.time, observed=(again, stale))
    assert found.add(entry) == ()
    assert len(found.reports) == before


def test_reports_know_their_decision(crashed: Run) -> None:
    found = history(crashed.entries)
    assert found.reports
    for accepted in found.reports:
        report = accepted.report
        assert accepted.decision == found.issued[report.member, report.directive]
        assert accepted in found.by_member[report.member]


def test_decisions_say_what_they_changed(crashed: Run) -> None:
    found = history(crashed.entries)
    current: dict[str, DecisionTaken] = {}
    for taken in found.decisions:
        member = taken.decision.member
        before = current.get(member)
        assert taken.before == (before.decision.hyperparameters if before else None)
        if taken.decision.kind is DecisionKind.START:
            assert set(taken.changes) == {"lr"}
        if taken.decision.kind is DecisionKind.CONTINUE:
            assert not taken.changes
            assert taken.donor is None
        if taken.decision.kind is DecisionKind.EXPLOIT and taken.donor:
            assert taken.copied == current[taken.donor].before or taken.copied is not None
            for old, new in taken.explored.values():
                assert old != new
        current[member] = taken
    moved = [t for t in found.decisions if t.moved]
    assert {t.decision.member for t in moved} == set(found.moves)


def test_a_crash_is_one_incident_with_its_worker(crashed: Run) -> None:
    failed = [i for i in history(crashed.entries).incidents if i.kind is IncidentKind.FAILED]
    assert failed
    for incident in failed:
        assert incident.charged
        assert incident.worker == "w1"
        assert incident.member in crashed.state.members
        assert "boom" in incident.detail
        assert "tries again in" in incident.detail
    gone = [i for i in history(crashed.entries).incidents if i.kind is IncidentKind.GONE]
    assert not any(g.seq == f.seq and g.member == f.member for g in gone for f in failed)


def test_a_preemption_is_not_charged() -> None:
    found = history(a_run(small(), fault=crashing(cause=Cause.PREEMPTED)).entries)
    assert found.incidents
    assert all(i.kind is IncidentKind.GONE and not i.charged for i in found.incidents)


def test_a_score_that_is_no_number_is_an_incident(crashed: Run) -> None:
    found = history(crashed.entries)
    bad = [r.report for r in found.reports if not r.report.finite]
    told = [i for i in found.incidents if i.kind is IncidentKind.NOT_FINITE]
    assert bad
    assert [i.member for i in told] == [r.member for r in bad]
    assert "nan" in told[0].detail


def test_a_straggler_is_one_incident() -> None:
    run = a_run(small().straggler_timeout(0.05), steps=60)
    late = [i for i in history(run.entries).incidents if i.kind is IncidentKind.STRAGGLED]
    assert late
    assert all(i.charged and i.worker for i in late)


def test_phases_in_order() -> None:
    phases = history(a_run(small()).entries).phases
    assert [p.phase for p in phases] == [Phase.RUNNING, Phase.COMPLETE]
    assert isinstance(phases[-1], PhaseEntered)
    assert phases[-1].reason == "MaxStepsReached"


def test_replacements_are_incidents_and_decisions() -> None:
    def fault(simulation, count: int) -> None:  # type: ignore[no-untyped-def]
        on = [w for w in simulation.state.workers.values() if w.member == "m2"]
        if on and simulation.state.reports > 4:
            simulation.fleet.kill(on[0].name, detail="boom")

    run = a_run(small().max_restarts(1), fault=fault, steps=400)
    found = history(run.entries)
    replaced = [i for i in found.incidents if i.kind is IncidentKind.REPLACED]
    clones = [t for t in found.decisions if t.decision.kind is DecisionKind.REPLACE]
    assert clones
    assert [i.member for i in replaced] == [t.decision.member for t in clones]
    assert all(t.moved and t.donor for t in clones)
