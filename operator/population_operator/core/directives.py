"""Directives: what a worker is told when a member is put on it."""

from __future__ import annotations

from population_operator.api import PopulationExperiment
from population_operator.api.experiment import Schedule
from population_operator.model.decision import DecisionKind, Directive, DirectiveKind
from population_operator.model.key import Key
from population_operator.model.state import Member, next_boundary


def due(member: Member, schedule: Schedule) -> int:
    """The step at which the member's training ends: its decision's `until`, or the first boundary
    after its source."""
    if member.decision.until is not None:
        return member.decision.until
    source = member.decision.source
    return next_boundary(source.step if source else 0, schedule.interval, schedule.max_steps)


def finished(member: Member, schedule: Schedule) -> bool:
    """Whether the member has trained as far as the experiment goes, or as its trial does."""
    return member.stopped or member.step >= schedule.max_steps


def issue(
    experiment: PopulationExperiment, member: Member, seq: int, incarnation: int
) -> Directive:
    """The directive that puts `member` on a worker by the entry `seq`.

    Directives issued for the same decision before are named in `resumes`: whatever was committed
    under them is continued, so nothing that was trained is trained again.
    """
    decision, schedule = member.decision, experiment.spec.schedule
    source = decision.source
    kind = DirectiveKind.START
    if source is not None:
        own = source.member == member.name
        kind = DirectiveKind.RESUME if own else DirectiveKind.EXPLOIT
        if own and decision.kind is DecisionKind.PROMOTE:
            kind = DirectiveKind.PROMOTE
    return Directive(
        id=seq,
        incarnation=incarnation,
        member=member.name,
        kind=kind,
        hyperparameters=decision.hyperparameters,
        immutable=tuple(p.name for p in experiment.spec.parameters if not p.mutable),
        restore=source,
        resumes=member.directives,
        until=due(member, schedule),
        max_steps=schedule.max_steps,
        seed=Key.of(experiment).seed(member.name, decision.count),
    )
