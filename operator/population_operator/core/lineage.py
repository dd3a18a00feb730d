"""Who descends from whom: pure questions to a `History`.

A checkpoint's name (member, directive, step) leads to the decision that its directive was issued
for; that decision's source is the checkpoint before it; and so on, back to a member's very start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from population_operator.api import Value
from population_operator.core.history import MOVES, AcceptedReport, History
from population_operator.model.decision import Decision
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import Member


@dataclass(frozen=True)
class Segment:
    """A stretch of training: `member` went from one step to another with these values."""

    member: str
    decision: str
    from_step: int
    to_step: int
    hyperparameters: Mapping[str, Value]


@dataclass(frozen=True)
class Branch:
    """What a member trained between two moves of its weights: a node of the family tree.

    `id` is the decision that began it, `parent` the branch that its weights came from (none where
    they were drawn), `founder` the member where those began. `ends_by` is the decision that took
    the member to other weights (none: it stands here still).
    """

    id: str
    member: str
    from_step: int
    to_step: int
    parent: str | None
    founder: str
    hyperparameters: Mapping[str, Value]
    reports: tuple[AcceptedReport, ...] = ()
    ends_by: str | None = None


def lineage_of(history: History, ref: CheckpointRef) -> tuple[Segment, ...]:
    """How the weights in `ref` came to be, oldest first; one segment for each decision."""
    decision = history.issued.get((ref.member, ref.directive))
    return _back(history, decision, ref.step)


def lineage(history: History, member: str, step: int | None = None) -> tuple[Segment, ...]:
    """The lineage of a member as it stands, or as it was when it last trained through `step`.

    Empty for a member that does not exist, or that has not trained through that step.
    """
    if step is None:
        known = history.state.members.get(member)
        return _back(history, known.decision, known.step) if known else ()
    for accepted in reversed(history.by_member.get(member, ())):
        source = accepted.decision.source
        if (source.step if source else 0) < step <= accepted.report.step:
            return _back(history, accepted.decision, step)
    return ()


def merged(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Neighbours of one member with the same values, as one segment each."""
    found: list[Segment] = []
    for segment in segments:
        last = found[-1] if found else None
        if last and (last.member, last.hyperparameters) == (
            segment.member,
            segment.hyperparameters,
        ):
            found[-1] = replace(last, to_step=segment.to_step)
        else:
            found.append(segment)
    return tuple(found)


def schedule_of(segments: tuple[Segment, ...]) -> tuple[tuple[int, Mapping[str, Value]], ...]:
    """The hyperparameters along a lineage: from which step on which values, changes only.

    Training that was done twice from one checkpoint counts once: the later values replace those
    that nothing was trained under.
    """
    found: list[tuple[int, Mapping[str, Value]]] = []
    for segment in segments:
        if found and found[-1][0] == segment.from_step:
            found.pop()
        if not found or found[-1][1] != segment.hyperparameters:
            found.append((segment.from_step, segment.hyperparameters))
    return tuple(found)


def best_lineage(history: History) -> tuple[Segment, ...]:
    """The lineage of the best report so far; empty while there is none."""
    best = history.state.best
    return lineage_of(history, best.ref) if best else ()


def reports_along(history: History, ref: CheckpointRef) -> tuple[AcceptedReport, ...]:
    """The accepted reports on the way to `ref`, oldest first."""
    segments = lineage_of(history, ref)
    until = {segment.decision: segment.to_step for segment in segments}
    found = [
        accepted
        for member in {segment.member for segment in segments}
        for accepted in history.by_member.get(member, ())
        if accepted.report.step <= until.get(accepted.decision.id, -1)
    ]
    return tuple(sorted(found, key=lambda accepted: accepted.report.step))


def standing(member: Member) -> Report | None:
    """The report of the weights that a member has: the donor's, right after an exploit."""
    return member.lineage[-1] if member.lineage else None


def branches(history: History) -> tuple[Branch, ...]:
    """All branches in the order in which they began: parents before children."""
    found: dict[str, Branch] = {}
    current: dict[str, str] = {}
    branch_of: dict[str, str] = {}
    for taken in history.decisions:
        decision = taken.decision
        if decision.member in current and decision.kind not in MOVES:
            branch_of[decision.id] = current[decision.member]
            continue
        if decision.member in current:
            ended = current[decision.member]
            found[ended] = replace(found[ended], ends_by=decision.id)
        found[decision.id] = _begin(history, decision, branch_of, found)
        current[decision.member] = branch_of[decision.id] = decision.id
    return tuple(_filled(history, found, branch_of))


def _begin(
    history: History,
    decision: Decision,
    branch_of: Mapping[str, str],
    found: Mapping[str, Branch],
) -> Branch:
    source = decision.source
    origin = history.issued.get((source.member, source.directive)) if source else None
    parent = branch_of.get(origin.id) if origin else None
    start = source.step if source else 0
    return Branch(
        id=decision.id,
        member=decision.member,
        from_step=start,
        to_step=start,
        parent=parent,
        founder=found[parent].founder if parent else decision.member,
        hyperparameters=decision.hyperparameters,
    )


def _filled(
    history: History, found: Mapping[str, Branch], branch_of: Mapping[str, str]
) -> Iterator[Branch]:
    reports: dict[str, list[AcceptedReport]] = {name: [] for name in found}
    for accepted in history.reports:
        reports[branch_of[accepted.decision.id]].append(accepted)
    for name, branch in found.items():
        last = max((r.report.step for r in reports[name]), default=branch.from_step)
        yield replace(branch, reports=tuple(reports[name]), to_step=last)


def _back(history: History, decision: Decision | None, step: int) -> tuple[Segment, ...]:
    """Walk back from `step` under `decision`. A walk cannot circle: steps and counts only fall."""
    found: list[Segment] = []
    while decision is not None:
        source = decision.source
        start = source.step if source else 0
        values = decision.hyperparameters
        found.append(Segment(decision.member, decision.id, start, step, values))
        if source is None:
            break
        decision, step = history.issued.get((source.member, source.directive)), source.step
    return tuple(reversed(found))
