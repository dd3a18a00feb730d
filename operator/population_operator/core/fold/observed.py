"""What each observed event does to the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from population_operator.api import ExperimentSpec
from population_operator.core.directives import due
from population_operator.core.fold.draft import Draft
from population_operator.core.trials import ended_rung, trained
from population_operator.model.entry import (
    Cause,
    Forgotten,
    Phase,
    Reported,
    RestoreFailed,
    SpecObserved,
    Troubled,
    WorkerGone,
    WorkerSeen,
)
from population_operator.model.report import Report, merit
from population_operator.model.state import LINEAGE_REPORTS, TRANSITIONS, Member, Transition, Worker


def _spec(draft: Draft, event: SpecObserved) -> None:
    draft.set(experiment=event.experiment)


def _current(draft: Draft, event: Any) -> Worker | None:
    worker = draft.workers.get(event.worker)
    if worker is None or not worker.open or worker.incarnation != event.incarnation:
        return None
    return worker


def _seen(draft: Draft, event: WorkerSeen) -> None:
    worker = _current(draft, event)
    if worker is None:
        return
    started_at = draft.now if event.started and not worker.started else worker.started_at
    draft.worker(
        event.worker,
        uid=event.uid,
        started=event.started,
        warm=event.warm,
        started_at=started_at,
    )


def _gone(draft: Draft, event: WorkerGone) -> None:
    if _current(draft, event):
        draft.close(event.worker, lost=event.cause is not Cause.ABANDONED)
        if event.cause is Cause.ABANDONED:
            draft.discount()  # It ended with the controller: nobody trained until now.


def _heard(draft: Draft, event: Any) -> bool:
    """Count the event; whether it is new and from the slot's current incarnation."""
    worker = _current(draft, event)
    if worker is None or event.cursor <= worker.cursor:
        return False
    draft.worker(event.worker, cursor=event.cursor)
    return True


def _reported(draft: Draft, event: Reported) -> None:
    if not _heard(draft, event):
        return
    report = event.report
    key = (report.member, report.directive)
    record = draft.directives.get(key)
    if record and report.checkpoint and report.step not in record.steps:
        # A late one is purged like the rest of its directive: what was confirmed no longer holds.
        draft.directive(key, steps=(*record.steps, report.step), purged=None)
    if draft.state.phase is Phase.RUNNING and _counts(draft, event):
        _accept(draft, event.worker, report)


def _counts(draft: Draft, event: Reported) -> bool:
    """Only the member's own worker, under a directive of its decision, and only onwards."""
    member = draft.members.get(event.report.member)
    return (
        member is not None
        and member.worker == event.worker
        and not member.reported
        and event.report.directive in member.directives
        and event.report.step > member.step
    )


def _accept(draft: Draft, worker: str, report: Report) -> None:
    spec = draft.state.spec.spec
    member = draft.members[report.member]
    # What the worker was told counts: `maxSteps` may have grown since, and it waits all the same.
    told = draft.workers[worker].directive
    reached = report.step >= (told.until if told is not None else due(member, spec.schedule))
    ended = ended_rung(member, report) if reached else None
    draft.member(
        report.member,
        rungs=(*member.rungs, ended) if ended else member.rungs,
        seconds=trained(member, report),
        step=report.step,
        reported=reached,
        latest=report,
        good=report if report.finite else member.good,
        kept=report if report.finite and report.checkpoint else member.kept,
        lineage=(*member.lineage, report)[-LINEAGE_REPORTS:],
        heard_at=draft.now,
        failures=0,
        replacements=0,
    )
    if reached:
        draft.set(
            transitions=(*draft.state.transitions, _transition(member, report, spec))[-TRANSITIONS:]
        )
    draft.worker(worker, holds=report.ref, losses=0, delivered=True, trouble="")
    draft.set(reports=draft.state.reports + 1, given_up=0)
    goal, best = spec.objective.goal, draft.state.best
    if report.finite and (
        best is None
        or (merit(goal, report.score), report.step) >= (merit(goal, best.score), best.step)
    ):
        draft.set(best=report)


def _transition(member: Member, report: Report, spec: ExperimentSpec) -> Transition:
    source = member.decision.source
    return Transition(
        member=member.name,
        index=-(-due(member, spec.schedule) // spec.schedule.interval),
        steps=report.step - (source.step if source else 0),
        hyperparameters=member.decision.hyperparameters,
        before=member.score,
        after=report.score,
    )


def _forgotten(draft: Draft, event: Forgotten) -> None:
    if not _heard(draft, event):
        return
    for item in event.forgotten:
        key = (item.member, item.directive)
        record = draft.directives.get(key)
        if record is None or not record.closed:
            continue
        steps = tuple(step for step in record.steps if step in item.keep)
        if steps:
            draft.directive(key, steps=steps, purged=item.keep)
        else:
            del draft.directives[key]


def _restore_failed(draft: Draft, event: RestoreFailed) -> None:
    if not _heard(draft, event):
        return
    draft.worker(event.worker, holds=None)
    draft.set(bad=draft.state.bad | {event.checkpoint})
    for name, member in draft.members.items():
        good, kept = member.good, member.kept
        if good and good.ref == event.checkpoint:
            draft.member(name, good=None)
        if kept and kept.ref == event.checkpoint:
            draft.member(name, kept=None)


def _troubled(draft: Draft, event: Troubled) -> None:
    if _heard(draft, event):
        draft.worker(event.worker, trouble=event.reason)


EFFECTS: dict[type, Callable[[Draft, Any], None]] = {
    SpecObserved: _spec,
    WorkerSeen: _seen,
    WorkerGone: _gone,
    Reported: _reported,
    Forgotten: _forgotten,
    RestoreFailed: _restore_failed,
    Troubled: _troubled,
}
