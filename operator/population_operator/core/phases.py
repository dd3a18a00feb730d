"""When an experiment starts, is suspended, and ends."""

from __future__ import annotations

from population_operator.api.experiment import GROUP
from population_operator.core import retention
from population_operator.core.trials import bandit_of, demand, given_up
from population_operator.model.entry import CleanedUp, Follows, Phase, PhaseChanged, WorkerClosed
from population_operator.model.report import merit
from population_operator.model.state import State

SUSPEND_REASON = f"{GROUP}/suspend-reason"
"""The annotation that says why an experiment is suspended, for people."""

CLEAN_UP_SECONDS = 60.0
"""How long one worker stays after the end to delete what is not kept."""


def begin(state: State) -> tuple[Follows, ...]:
    """Start, suspend or resume, as the user says now."""
    wanted = state.spec.spec.suspend
    match state.phase:
        case Phase.PENDING if not wanted:
            return (PhaseChanged(phase=Phase.RUNNING, reason="Started"),)
        case Phase.SUSPENDED if not wanted:
            return (PhaseChanged(phase=Phase.RUNNING, reason="Resumed"),)
        case Phase.PENDING | Phase.RUNNING if wanted:
            why = state.spec.metadata.annotations.get(SUSPEND_REASON, "spec.suspend")
            change = PhaseChanged(phase=Phase.SUSPENDED, reason="Suspended", message=why)
            return (change, *_close(state, "suspended"))
        case _:
            return ()


def end(state: State) -> tuple[Follows, ...]:
    """Complete once the target is reached, everybody has finished, or the time is over."""
    if state.phase is not Phase.RUNNING:
        return ()
    spec, best = state.spec.spec, state.best
    goal, target = spec.objective.goal, spec.objective.target
    name = spec.objective.metric
    if target is not None and best and merit(goal, best.score) >= merit(goal, target):
        return ended(
            state,
            Phase.COMPLETE,
            "TargetReached",
            f"{best.member} reached {name} {best.score:.6g} at step {best.step}",
        )
    if everybody_finished(state):
        if best is None:
            why = f"no member ever reported a finite {name}: lower the learning rate, or check data"
            return ended(state, Phase.FAILED, "NoFiniteScore", why)
        return ended(state, Phase.COMPLETE, *_finished(state))
    limit = spec.schedule.max_duration
    if limit is not None and state.active >= limit.total_seconds():
        if best is None:
            why = f"nothing was reported within maxDuration ({limit})"
            return ended(state, Phase.FAILED, "MaxDurationReached", why)
        why = f"maxDuration ({limit}) is over"
        return ended(state, Phase.COMPLETE, "MaxDurationReached", why)
    return ()


def everybody_finished(state: State) -> bool:
    """Whether nothing is left to train. A bandit says so itself."""
    spec = state.spec.spec
    if bandit_of(state) is None and len(state.members) < spec.population.members:
        return False
    return demand(state) == 0


def _finished(state: State) -> tuple[str, str]:
    last, count = state.spec.spec.schedule.max_steps, len(state.members)
    if bandit_of(state) is None:
        return "MaxStepsReached", f"{_everybody(count)} reached step {last}"
    full = sum(m.step >= last for m in state.members.values())
    if count == 1:
        return "TrialsEnded", "the one trial has ended" + (f" at step {last}" if full else "")
    failed = sum(given_up(state.spec.spec, m) for m in state.members.values())
    more = f", and {failed} failed for good" if failed else ""
    return "TrialsEnded", f"all {count} trials have ended, {full} of them at step {last}{more}"


def ended(state: State, phase: Phase, reason: str, message: str) -> tuple[Follows, ...]:
    """The end: all workers are closed, but for one that has started and can still clean up."""
    change = PhaseChanged(phase=phase, reason=reason, message=message)
    return (change, *_close(state, "ended", keep=_janitor(state)))


def clean_up(state: State) -> tuple[Follows, ...]:
    """After the end: release the last worker when nothing is left to delete, or in the end."""
    if not state.phase.ended or state.cleaned_up:
        return ()
    left = retention.pending(state)
    over = state.time >= state.ended_at + CLEAN_UP_SECONDS
    if left and not over and any(w.open for w in state.workers.values()):
        return ()
    return (CleanedUp(remaining=len(left)), *_close(state, "cleaned up"))


def _everybody(count: int) -> str:
    return "the one member" if count == 1 else f"all {count} members"


def _janitor(state: State) -> str | None:
    if not state.reports:
        return None  # Nothing was trained, and nobody is known to listen.
    able = [w for w in state.workers.values() if w.open and w.started and w.directive]
    # One that waits hears of it at once; one in the middle of an interval too, but works on.
    idle = [w for w in able if w.member is None or state.members[w.member].reported]
    chosen = min(idle or able, key=lambda w: w.name, default=None)
    return chosen.name if chosen else None


def _close(state: State, reason: str, keep: str | None = None) -> tuple[WorkerClosed, ...]:
    return tuple(
        WorkerClosed(worker=w.name, incarnation=w.incarnation, reason=reason)
        for w in sorted(state.workers.values(), key=lambda w: w.name)
        if w.open and w.name != keep
    )
