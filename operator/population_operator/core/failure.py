"""What happens to a member whose worker failed, straggled, or could not restore.

A charged failure backs off and counts; a member that failed more often than `maxRestarts` in a row
without a report continues as a clone of a healthy one, so the population never shrinks. What is
not the member's fault (preemption, a lost node) is never charged.
"""

from __future__ import annotations

from collections.abc import Iterable

from population_operator.api import Value
from population_operator.core import phases
from population_operator.core.directives import finished
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import (
    Cause,
    Decided,
    Follows,
    MemberFailed,
    Observed,
    Phase,
    Reported,
    RestoreFailed,
    Straggled,
    WorkerClosed,
    WorkerGone,
    WorkerHeld,
)
from population_operator.model.report import Report, merit
from population_operator.model.state import Member, State

BACK_OFF = 1.0
BACK_OFF_LIMIT = 300.0
"""Seconds: the first wait after a failure, doubled each time, up to the limit."""


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return float(min(BACK_OFF * 2 ** min(failures - 1, 30), BACK_OFF_LIMIT))


def in_a_row(failures: int) -> str:
    """`failed 3 times in a row`."""
    return "failed once" if failures == 1 else f"failed {failures} times in a row"


def losses(before: State, state: State, observed: Iterable[Observed]) -> tuple[Follows, ...]:
    """Charge members whose worker failed; hold slots that keep losing their incarnations."""
    events: list[Follows] = []
    for event in observed:
        if not isinstance(event, WorkerGone):
            continue
        worker = before.workers.get(event.worker)
        if worker is None or not worker.open or worker.incarnation != event.incarnation:
            continue
        member = state.members.get(worker.member) if worker.member else None
        # A program may well end after its report: only work that was cut short is a failure.
        if event.cause.charged and member and not member.reported:
            events.append(_charge(state, member, event.cause, event.detail))
        lost = state.workers[event.worker].losses
        if lost > max(1, worker.losses) and not event.cause.charged:
            until = state.time + back_off(lost - 1)
            events.append(WorkerHeld(worker=event.worker, not_before=until))
    return tuple(events)


def stragglers(state: State, observed: Iterable[Observed]) -> tuple[Follows, ...]:
    """Give up workers whose member has not reported for `stragglerTimeout` while on them.

    Not in an entry with reports: more of them may lie ready than go into one.
    """
    limit = state.spec.spec.schedule.straggler_timeout
    if limit is None or state.phase is not Phase.RUNNING:
        return ()
    if any(isinstance(event, Reported) for event in observed):
        return ()
    events: list[Follows] = []
    for member in state.population:
        since = training_since(state, member)
        if since is None or state.time < since + limit.total_seconds():
            continue
        worker = state.workers[member.worker or ""]
        waited = f"{limit.total_seconds():g} s"
        detail = f"no report for {waited} on {worker.name}; raise schedule.stragglerTimeout if slow"
        events += [
            Straggled(member=member.name),
            _charge(state, member, Cause.STRAGGLED, detail),
            WorkerClosed(worker=worker.name, incarnation=worker.incarnation, reason="straggled"),
        ]
    return tuple(events)


def training_since(state: State, member: Member) -> float | None:
    """When the member's current wait for a report began; none while it is not training."""
    if member.worker is None or member.reported:
        return None
    worker = state.workers[member.worker]
    return max(member.heard_at, worker.started_at) if worker.started else None


def replacements(state: State) -> tuple[Follows, ...]:
    """Clone a healthy member over each that failed too often; fail where nobody is healthy."""
    if state.phase is not Phase.RUNNING:
        return ()
    training = [m for m in state.population if not finished(m, state.spec.spec.schedule)]
    hopeless = [m for m in training if exhausted(state, m)]
    if any(m.trial for m in hopeless):
        return _give_up(state, hopeless)
    if hopeless and _nobody_left(state, training, hopeless):
        worst = max(hopeless, key=lambda m: (m.failures, -m.index))
        why = f"{worst.name} {in_a_row(worst.failures)}; {worst.last_failure}"
        return phases.ended(state, Phase.FAILED, "WorkersFail", why)
    events = []
    for member in hopeless:
        donor = healthiest(state, member)
        if donor is not None and member.worker is None and member.not_before <= state.time:
            events.append(_clone(state, member, donor, DecisionKind.REPLACE, member.last_failure))
    return tuple(events)


def _give_up(state: State, hopeless: list[Member]) -> tuple[Follows, ...]:
    """End trials that failed too often; fail where this happens to one after the other."""
    spec = state.spec.spec
    worst = max(hopeless, key=lambda m: (m.failures, -m.index))
    why = f"{worst.name} {in_a_row(worst.failures)}; {worst.last_failure}"
    limit = 2 * spec.population.workers + 8 if state.reports else max(3, spec.population.workers)
    if state.given_up + len(hopeless) >= min(limit, spec.population.size or limit):
        return phases.ended(state, Phase.FAILED, "WorkersFail", why)
    return tuple(_ended(member) for member in hopeless)


def _ended(member: Member) -> Decided:
    why = f"{in_a_row(member.failures)}, so the trial ends: {member.last_failure}"
    return Decided(
        decision=member.decision.model_copy(
            update={
                "count": member.decision.count + 1,
                "kind": DecisionKind.STOP,
                "source": member.position,
                "at_step": member.step,
                "reason": why,
            }
        )
    )


def failovers(state: State, observed: Iterable[Observed]) -> tuple[Follows, ...]:
    """Another source for each member whose checkpoint could not be restored."""
    events: list[Follows] = []
    for event in observed:
        if not isinstance(event, RestoreFailed):
            continue
        member = state.members.get(event.member)
        if member and event.directive in member.directives and not member.reported:
            why = f"{event.checkpoint} cannot be restored ({event.reason})"
            events.append(_failover(state, member, why))
    return tuple(events)


def exhausted(state: State, member: Member) -> bool:
    """Whether the member has failed more often in a row than `maxRestarts` allows."""
    return member.failures > state.spec.spec.worker.max_restarts


def healthiest(state: State, member: Member) -> Report | None:
    """The best good report of another member with a checkpoint to continue from.

    One that still has steps to train goes before one that has finished.
    """
    goal, schedule = state.spec.spec.objective.goal, state.spec.spec.schedule
    donors = [
        other.good
        for other in state.population
        if other.name != member.name
        and other.good is not None
        and other.good.checkpoint
        and other.good.ref not in state.bad
    ]
    return max(
        donors, key=lambda r: (r.step < schedule.max_steps, merit(goal, r.score)), default=None
    )


def _nobody_left(state: State, training: list[Member], hopeless: list[Member]) -> bool:
    """Whether trying on is pointless.

    Before any report: as many members are exhausted as train at once. After that: one of them is
    beyond help, and every member that still trains was exhausted since it last reported, or waits
    for the round to end, so that nobody is left to bring help.
    """
    if not state.reports:
        return len(hopeless) >= min(state.spec.spec.population.workers, len(training))
    alone = [m for m in hopeless if healthiest(state, m) is None]
    rounds = state.spec.spec.schedule.synchronous
    waited_for = any(not m.reported for m in alone)
    if rounds and waited_for and all(m in alone or m.reported for m in training):
        return True
    beaten = all(m in hopeless or m.replacements for m in training)
    return beaten and any(m.replacements or m in alone for m in hopeless)


def _charge(state: State, member: Member, cause: Cause, detail: str) -> MemberFailed:
    tries = member.failures + member.replacements * (state.spec.spec.worker.max_restarts + 1)
    wait = state.time + back_off(tries + 1)
    return MemberFailed(member=member.name, cause=cause, detail=detail, not_before=wait)


def _failover(state: State, member: Member, why: str) -> Follows:
    donor = healthiest(state, member) if not member.trial else None
    own = member.kept
    if donor is not None and member.decision.source is not None:
        return _clone(state, member, donor, DecisionKind.FAILOVER, why)
    values = member.decision.hyperparameters
    usable = own is not None and own.ref not in state.bad
    return Decided(
        decision=Decision(
            member=member.name,
            count=member.decision.count + 1,
            kind=DecisionKind.FAILOVER,
            hyperparameters=values,
            source=own.ref if own is not None and usable else None,
            at_step=member.step,
            until=member.decision.until,
            bracket=member.decision.bracket,
            rung=member.decision.rung,
            reason=f"{why}; " + ("its own last good one" if usable else "it starts again"),
        )
    )


def _clone(state: State, member: Member, donor: Report, kind: DecisionKind, why: str) -> Follows:
    theirs = state.members[donor.member].decision.hyperparameters
    values: dict[str, Value] = dict(theirs)
    fixed = [p.name for p in state.spec.spec.parameters if not p.mutable]
    mine = member.decision.hyperparameters
    explored = kind is DecisionKind.FAILOVER and member.decision.kind is DecisionKind.EXPLOIT
    if explored and all(theirs.get(name) == mine.get(name) for name in fixed):
        values = dict(mine)
    return Decided(
        decision=Decision(
            member=member.name,
            count=member.decision.count + 1,
            kind=kind,
            hyperparameters=values,
            source=donor.ref,
            at_step=member.step,
            reason=f"{why}; continues as a clone of {donor.member} at step {donor.step}",
        )
    )
