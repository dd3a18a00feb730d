"""What each decided event does to the state."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from population_operator.core.directives import issue
from population_operator.core.fold.draft import Draft
from population_operator.core.trials import ended_rung, given_up
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import (
    CleanedUp,
    Decided,
    Issued,
    MemberFailed,
    Phase,
    PhaseChanged,
    Straggled,
    WorkerClosed,
    WorkerHeld,
    WorkerOpened,
)
from population_operator.model.report import Report
from population_operator.model.space import typed_all
from population_operator.model.state import DirectiveRecord, Member, Worker


def _phase(draft: Draft, event: PhaseChanged) -> None:
    first = event.phase is Phase.RUNNING and not draft.state.started_at
    draft.set(
        phase=event.phase,
        phase_reason=event.reason,
        phase_message=event.message,
        started_at=draft.now if first else draft.state.started_at,
        ended_at=draft.now if event.phase.ended else 0.0,
    )
    if event.phase.ended:
        for key in draft.directives:
            draft.directive(key, closed=True)


def _failed(draft: Draft, event: MemberFailed) -> None:
    draft.member(
        event.member,
        failures=draft.members[event.member].failures + 1,
        not_before=event.not_before,
        last_failure=f"{event.cause}: {event.detail}" if event.detail else str(event.cause),
    )


def _straggled(draft: Draft, event: Straggled) -> None:
    if not draft.state.spec.spec.schedule.synchronous:
        return
    member = draft.members[event.member]
    missed = Report(
        directive=0, member=member.name, step=member.step, score=math.nan, checkpoint=False
    )
    rungs = member.rungs
    if ended := ended_rung(member, missed):
        rungs = (*rungs, ended)
    draft.member(event.member, reported=True, latest=missed, rungs=rungs)


def _decided(draft: Draft, event: Decided) -> None:
    decision = event.decision
    space = draft.state.spec.spec.parameters
    decision = decision.model_copy(
        update={"hyperparameters": typed_all(space, decision.hyperparameters)}
    )
    member = draft.members.get(decision.member)
    if member is None:
        index = int(decision.member[1:])
        baseline = index < draft.state.spec.spec.population.baselines
        member = Member(name=decision.member, index=index, baseline=baseline, decision=decision)
    if member.worker is not None:
        draft.release(member.worker)
    for number in member.directives:
        draft.directive((member.name, number), closed=True)
    draft.members[member.name] = _moved(draft, member, decision)
    draft.set(
        decisions=draft.state.decisions + 1,
        exploits=draft.state.exploits + (decision.kind is DecisionKind.EXPLOIT),
        given_up=draft.state.given_up + given_up(draft.state.spec.spec, draft.members[member.name]),
    )


def _moved(draft: Draft, member: Member, decision: Decision) -> Member:
    """The member under its new decision: at the source's step, with the source's past."""
    source = decision.source
    moved = replace(
        member,
        decision=decision,
        step=source.step if source else 0,
        directives=(),
        reported=False,
        worker=None,
        waiting_since=draft.now,
        seconds=member.seconds if source else 0.0,
    )
    if decision.kind is DecisionKind.STOP:
        return replace(moved, step=member.step, lineage=member.lineage[-1:])
    if decision.kind is DecisionKind.CONTINUE or (decision.kind is DecisionKind.PROMOTE and source):
        latest = member.latest if member.latest and member.latest.directive else None
        return replace(moved, score=latest.score if latest else member.score)
    donor = draft.before.get(source.member) if source else None
    past = donor.lineage if donor else ()
    inherited = tuple(r for r in past if source and r.step <= source.step)
    score = inherited[-1].score if inherited else None
    moved = replace(moved, latest=None, good=None, lineage=inherited, score=score)
    if decision.kind is DecisionKind.REPLACE:
        return replace(moved, failures=0, replacements=member.replacements + 1)
    return moved


def _opened(draft: Draft, event: WorkerOpened) -> None:
    known = draft.workers.get(event.worker)
    draft.workers[event.worker] = Worker(
        name=event.worker,
        incarnation=event.incarnation,
        open=True,
        opened_at=draft.now,
        losses=known.losses if known else 0,
        not_before=known.not_before if known else 0.0,
    )


def _closed(draft: Draft, event: WorkerClosed) -> None:
    worker = draft.workers.get(event.worker)
    if worker and worker.incarnation == event.incarnation:
        draft.close(event.worker, lost=False)


def _held(draft: Draft, event: WorkerHeld) -> None:
    draft.worker(event.worker, not_before=event.not_before)


def _issued(draft: Draft, event: Issued) -> None:
    if draft.workers[event.worker].member not in (None, event.member):
        draft.release(event.worker)
    member = draft.members[event.member]
    if member.worker not in (None, event.worker):
        draft.release(str(member.worker))
    seq = draft.state.seq
    directive = issue(draft.state.spec, member, seq, event.incarnation)
    copies = directive.restore is not None and directive.restore.member != member.name
    steps = (directive.restore.step,) if directive.restore and copies else ()
    draft.directives[member.name, seq] = DirectiveRecord(steps)
    draft.worker(event.worker, member=member.name, directive=directive)
    draft.member(
        member.name,
        worker=event.worker,
        directives=(*member.directives, seq),
        issued_at=draft.now,
        heard_at=draft.now,
    )


def _cleaned_up(draft: Draft, event: CleanedUp) -> None:
    draft.set(cleaned_up=True)


EFFECTS: dict[type, Callable[[Draft, Any], None]] = {
    PhaseChanged: _phase,
    MemberFailed: _failed,
    Straggled: _straggled,
    Decided: _decided,
    WorkerOpened: _opened,
    WorkerClosed: _closed,
    WorkerHeld: _held,
    Issued: _issued,
    CleanedUp: _cleaned_up,
}
