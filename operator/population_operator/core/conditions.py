"""Conditions: the state in the words that `kubectl wait` and people understand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from population_operator.core.trials import wanted_workers
from population_operator.model.entry import Phase
from population_operator.model.state import State

BEING_DELETED = "BeingDeleted"
"""The reason where a deletion waits for something."""


@dataclass(frozen=True)
class Problem:
    """Why something does not go on although it should: a reason in one word, and the cause."""

    reason: str
    message: str


@dataclass(frozen=True)
class Condition:
    """One aspect of the state. `reason` is one word, `message` for people."""

    type: str
    status: bool
    reason: str
    message: str = ""


def conditions(state: State, problems: Sequence[Problem] = ()) -> tuple[Condition, ...]:
    """All conditions, always the same types in the same order."""
    phase = state.phase
    complete, failed = phase is Phase.COMPLETE, phase is Phase.FAILED
    suspended = phase is Phase.SUSPENDED
    return (
        _workers(state, problems),
        _progressing(state),
        _end("Complete", complete, state),
        _end("Failed", failed, state),
        _end("Suspended", suspended, state),
    )


def _end(kind: str, holds: bool, state: State) -> Condition:
    if not holds:
        return Condition(kind, False, f"Not{kind}")
    return Condition(kind, True, state.phase_reason, state.phase_message)


def refused(problem: Problem) -> tuple[Condition, ...]:
    """The same conditions of an experiment that cannot begin."""
    return (
        Condition("Ready", False, problem.reason, problem.message),
        Condition("Progressing", False, problem.reason),
        _end("Complete", False, State()),
        _end("Failed", False, State()),
        Condition("Suspended", False, "NotSuspended"),
    )


def _workers(state: State, problems: Sequence[Problem]) -> Condition:
    """Ready: whether every worker that there should be runs."""
    for problem in problems:
        if problem.reason == BEING_DELETED:
            return Condition("Ready", False, BEING_DELETED, problem.message)
    if state.phase.ended:
        return Condition("Ready", True, "Ended", "no worker is needed any more")
    if state.phase is Phase.SUSPENDED:
        return Condition("Ready", False, "Suspended", "no worker runs while suspended")
    wanted = wanted_workers(state)
    running = sum(w.open and w.started for w in state.workers.values())
    share = f"{running} of {wanted} workers run"
    if running >= wanted and not problems:
        return Condition("Ready", True, "WorkersRun", share)
    if problems:
        causes = "; ".join(problem.message for problem in problems[:3])
        return Condition("Ready", False, problems[0].reason, f"{share}; {causes}"[:4000])
    waits = [m for m in state.members.values() if m.last_failure and m.not_before > state.time]
    if waits:
        failures = "; ".join(f"{m.name}: {m.last_failure}" for m in waits[:3])
        return Condition("Ready", False, "BackOff", f"{share}; {failures}"[:4000])
    return Condition("Ready", False, "WorkersStart", share)


def _progressing(state: State) -> Condition:
    if state.phase is not Phase.RUNNING:
        return Condition("Progressing", False, state.phase_reason or "NotStarted")
    troubled = [w for w in state.workers.values() if w.open and w.trouble]
    if troubled:
        causes = "; ".join(f"{w.name}: {w.trouble}" for w in troubled[:3])
        return Condition("Progressing", False, "WorkerTrouble", causes[:4000])
    if not state.reports:
        return Condition("Progressing", True, "NoReportYet", "waiting for the first report")
    failing = [m for m in state.members.values() if m.failures]
    if failing:
        causes = "; ".join(f"{m.name} failed {m.failures} times: {m.last_failure}" for m in failing)
        return Condition("Progressing", True, "MembersRestart", causes[:4000])
    if any(m.trial and m.latest and not m.latest.checkpoint for m in state.members.values()):
        why = "workers save nothing: a trial starts again from zero whenever it goes on"
        return Condition("Progressing", True, "TrialsRestart", why)
    return Condition("Progressing", True, "MembersTrain", "")
