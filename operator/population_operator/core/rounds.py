"""Who is answered now: in synchronous mode a whole interval at once, else whoever reported.

A bandit is shown all its waiting trials, and how many workers have nothing to do.
"""

from __future__ import annotations

from population_operator.algorithms.registry import algorithm_of
from population_operator.core.directives import due, finished
from population_operator.core.trials import bandit_of
from population_operator.core.turns import held_up, runnable
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


def at_rungs(state: State) -> tuple[str, ...]:
    """Names of the trials that wait at the end of a rung, by index."""
    schedule = state.spec.spec.schedule
    return tuple(m.name for m in state.population if m.reported and not finished(m, schedule))


def idle_slots(state: State) -> int:
    """How many workers, of those there may be, have no trial and will get none that exists."""
    schedule = state.spec.spec.schedule
    training = [m for m in state.population if not finished(m, schedule)]
    busy = sum(m.worker is not None and not m.reported for m in training)
    waiting = sum(runnable(state, m) for m in training) + len(held_up(state, training))
    return max(0, state.spec.spec.population.workers - busy - waiting)


def decisions(state: State) -> tuple[Decided, ...]:
    """The algorithm's answers."""
    if state.phase is not Phase.RUNNING:
        return ()
    if bandit_of(state) is not None:
        waiting, free = at_rungs(state), idle_slots(state)
    else:
        waiting = ready(state)
        free = max(0, state.spec.spec.population.members - len(state.members))
    if not waiting and not free:
        return ()
    experiment = state.spec
    answers = algorithm_of(experiment).decide(experiment, state, waiting, free, Key.of(experiment))
    return tuple(Decided(decision=answer) for answer in answers)
