"""What a member is doing right now, in a few words."""

from __future__ import annotations

from typing import NamedTuple

from population_operator.app import words
from population_operator.core.directives import due, finished
from population_operator.core.failure import exhausted
from population_operator.core.trials import given_up
from population_operator.model.entry import Phase
from population_operator.model.state import Member, State


class Note(NamedTuple):
    """The words, and whether somebody should look at this member."""

    text: str
    trouble: bool = False


def note_of(
    state: State, member: Member, now: float, starting: frozenset[str] = frozenset()
) -> Note:
    """What the member does or waits for.

    `now` is seconds since the epoch; workers in `starting` run, and have never answered.
    """
    if given_up(state.spec.spec, member):
        return Note(f"failed for good: {words.one_line(member.last_failure)}", True)
    if member.stopped:
        return Note(f"ended {_place(member)}")
    if member.trial and finished(member, state.spec.spec.schedule):
        return Note(f"finished {_place(member)}")
    if state.phase.ended:
        missing = not finished(member, state.spec.spec.schedule) and member.failures
        return Note(words.one_line(member.last_failure), True) if missing else Note("")
    if finished(member, state.spec.spec.schedule):
        return Note("finished")
    if member.failures and (member.worker is None or not member.reported):
        return _failing(state, member, now)
    if state.phase is Phase.SUSPENDED:
        return Note("suspended")
    worker = state.workers.get(member.worker or "")
    if worker is not None and worker.trouble and not member.reported:
        return Note(words.one_line(worker.trouble), True)
    if member.reported:
        return Note(f"waits {_place(member)}" if member.trial else "waits for the others")
    if worker is None:
        return Note("waits for a worker")
    if not worker.started or worker.name in starting:
        return Note(f"waits until {worker.name} has started")
    place = f" {_place(member)}" if member.trial else ""
    return Note(f"trains to {due(member, state.spec.spec.schedule)}{place}")


def _place(member: Member) -> str:
    """Where a trial is: `on rung 2 of bracket 1`."""
    decision = member.decision
    return f"on rung {decision.rung} of bracket {decision.bracket}"


def _failing(state: State, member: Member, now: float) -> Note:
    why = words.one_line(member.last_failure)
    if exhausted(state, member):
        return Note(f"failed too often, waits to be replaced: {why}", True)
    if member.not_before > now:
        wait = words.duration(member.not_before - now + 0.999)
        return Note(f"tries again in {wait}: {why}", True)
    tries = words.plural(member.failures, "failure")
    return Note(f"tries again after {tries}: {why}", True)
