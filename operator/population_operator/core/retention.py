"""Which checkpoints stay, and which a worker is told to delete.

Kept are: the checkpoint that each member stands at (the source of its decision, until a report
under that decision is accepted); its newest good one; and the best ever. A trial that has ended
keeps nothing, one that waits at a rung only the checkpoint that it stands at. A worker that cannot
save has made none. What is deleted can never be asked for again: every later source is one of those
kept now, or newer.
"""

from __future__ import annotations

from collections import defaultdict

from population_operator.core.directives import finished
from population_operator.model.decision import Forget
from population_operator.model.report import CheckpointRef
from population_operator.model.state import State


def retained(state: State) -> frozenset[CheckpointRef]:
    """The checkpoints that must stay."""
    keep: set[CheckpointRef] = set()
    schedule = state.spec.spec.schedule
    for member in state.members.values():
        if member.trial and finished(member, schedule):
            continue
        if member.kept is not None and not (member.trial and member.reported):
            keep.add(member.kept.ref)
        latest, place = member.latest, member.position
        made = latest is None or latest.checkpoint or latest.ref != place
        training = not state.phase.ended and not finished(member, schedule)
        if place is not None and made and (training or member.kept is None):
            keep.add(place)
    if state.best is not None and state.best.checkpoint:
        keep.add(state.best.ref)
    return frozenset(keep)


def pending(state: State) -> tuple[Forget, ...]:
    """What is to be deleted and has not been confirmed, by member and directive.

    Only directives that nobody continues from are touched, and those as a whole: also checkpoints
    under them that were committed and never reported.
    """
    if state.experiment is None:
        return ()
    steps: dict[tuple[str, int], list[int]] = defaultdict(list)
    for ref in retained(state):
        steps[ref.member, ref.directive].append(ref.step)
    found = []
    for key, record in state.directives.items():
        if not record.closed:
            continue
        keep = tuple(sorted(steps.get(key, ())))
        if record.purged != keep:
            found.append(Forget(member=key[0], directive=key[1], keep=keep))
    return tuple(sorted(found, key=lambda it: (it.member, it.directive)))
