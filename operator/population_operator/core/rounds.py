"""Who is answered now: in synchronous mode a whole interval at once, else whoever reported."""

from __future__ import annotations

from population_operator.algorithms.registry import algorithm_of
from population_operator.core.directives import due, finished
from population_operator.model.entry import Decided, Phase
from population_operator.model.key import Key
from population_operator.model.state import State


def ready(state: State) -> tuple[str, ...]:
    """Names of the members that wait for an answer and may get it now, by index.

    Synchronous: the members in the earliest interval that anybody is in, once all of these have
    reported. A member that is ahead (it was cloned from one that had reported already) waits for
    the others; one that is behind catches up first.
    """
    schedule = state.spec.spec.schedule
    training = [m for m in state.population if not finished(m, schedule)]
    if not schedule.synchronous:
        return tuple(m.name for m in training if m.reported)
    first = min((due(m, schedule) for m in training), default=0)
    group = [m for m in training if due(m, schedule) == first]
    # Whoever finished in this same interval stands in the round, but needs no answer.
    return tuple(m.name for m in group) if all(m.reported for m in group) else ()


def decisions(state: State) -> tuple[Decided, ...]:
    """The algorithm's answers."""
    if state.phase is not Phase.RUNNING:
        return ()
    waiting = ready(state)
    free = max(0, state.spec.spec.population.size - len(state.members))
    if not waiting and not free:
        return ()
    experiment = state.spec
    answers = algorithm_of(experiment).decide(experiment, state, waiting, free, Key.of(experiment))
    return tuple(Decided(decision=answer) for answer in answers)
