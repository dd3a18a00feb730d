"""What went wrong, read off a journal's events before they are applied to the state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from population_operator.core.fold import Draft
from population_operator.core.trials import LAST_TRY, is_last
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import (
    Cause,
    Decided,
    Follows,
    MemberFailed,
    Observed,
    Reported,
    RestoreFailed,
    Straggled,
    Troubled,
    WorkerGone,
)

REPLACEMENTS = (DecisionKind.REPLACE, DecisionKind.FAILOVER)
"""The decisions that something went wrong before."""


class IncidentKind(StrEnum):
    """What went wrong. Replacements are decisions, too, and stand among them."""

    GONE = "gone"
    FAILED = "failed"
    STRAGGLED = "straggled"
    REPLACED = "replaced"
    RESTORE = "restore failed"
    TROUBLE = "trouble"
    NOT_FINITE = "not finite"


@dataclass(frozen=True)
class Incident:
    """Something that should not have happened; `charged` says that it counts against the member."""

    seq: int
    time: float
    kind: IncidentKind
    member: str | None
    worker: str | None
    detail: str
    charged: bool = False

    def causes(self, failure: Incident) -> bool:
        """Whether this is why `failure`, of the same entry, was charged."""
        kinds = (IncidentKind.GONE, IncidentKind.STRAGGLED)
        return self.kind in kinds and self.member == failure.member


def in_observed(draft: Draft, event: Observed) -> Incident | None:
    """The incident in an observed event, judged before the event is applied."""
    at = (draft.state.seq, draft.now)
    if not isinstance(event, WorkerGone | RestoreFailed | Troubled):
        return None
    worker = draft.workers.get(event.worker)
    if worker is None or not worker.open or worker.incarnation != event.incarnation:
        return None
    if isinstance(event, WorkerGone):
        detail = _reason(event.cause, event.detail)
        return Incident(*at, IncidentKind.GONE, worker.member, worker.name, detail)
    if event.cursor <= worker.cursor:
        return None
    kind, detail = IncidentKind.TROUBLE, event.reason
    if isinstance(event, RestoreFailed):
        kind, detail = IncidentKind.RESTORE, f"{event.checkpoint}: {event.reason}"
    return Incident(*at, kind, event.member, worker.name, detail)


def in_consequence(draft: Draft, event: Follows) -> Incident | None:
    """The incident in a decided event, judged before the event is applied."""
    at = (draft.state.seq, draft.now)
    match event:
        case MemberFailed():
            detail = _reason(event.cause, event.detail)
            wait = max(event.not_before - draft.now, 0.0)
            then = f"tries again in {wait:.0f} s"
            if is_last(draft.state.spec.spec, draft.members[event.member]):
                then = LAST_TRY
            return Incident(
                *at,
                IncidentKind.FAILED,
                event.member,
                None,
                f"{detail}; {then}",
                charged=True,
            )
        case Straggled():
            worker = draft.members[event.member].worker
            detail = "did not report in time"
            return Incident(*at, IncidentKind.STRAGGLED, event.member, worker, detail)
        case Decided(decision=decision) if decision.kind in REPLACEMENTS:
            return Incident(*at, IncidentKind.REPLACED, decision.member, None, decision.reason)
        case _:
            return None


def _reason(cause: Cause, detail: str) -> str:
    """A cause and its detail; that of a straggler says it all."""
    if not detail:
        return str(cause)
    return detail if cause is Cause.STRAGGLED else f"{cause}: {detail}"


def not_finite(draft: Draft, event: Reported) -> Incident:
    """The incident in an accepted report whose score is no number."""
    report = event.report
    metric = draft.state.spec.spec.objective.metric
    detail = f"{metric} is {report.score} at step {report.step}; it ranks last"
    at = (draft.state.seq, draft.now)
    return Incident(*at, IncidentKind.NOT_FINITE, report.member, event.worker, detail)
