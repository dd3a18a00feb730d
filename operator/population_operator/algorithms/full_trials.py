"""Trials that are trained to the end, whatever they come to: one rung, `maxSteps`.

They report at each interval, so that they are seen, saved and resumed, and go on.
"""

from __future__ import annotations

from collections.abc import Callable

from population_operator.algorithms.answers import answering
from population_operator.algorithms.trials import begin, go_on, unfinished
from population_operator.api import PopulationExperiment, Value
from population_operator.model.decision import Decision
from population_operator.model.state import Member, State

ENDLESS = 10_000
"""Trials at most, where only the time is limited: all of them stay in the state."""

Configurations = list[dict[str, Value]]
Propose = Callable[[int, Configurations], tuple[dict[str, Value], str]]
"""The configuration of a new trial, and where it comes from: by its index, and the configurations
that were proposed just now."""


def most(experiment: PopulationExperiment) -> int:
    """How many trials there may be: `population.size`, where it is given."""
    return experiment.spec.population.size or ENDLESS


def train_fully(
    experiment: PopulationExperiment,
    state: State,
    ready: tuple[str, ...],
    free: int,
    total: int,
    propose: Propose,
) -> tuple[Decision, ...]:
    """Everybody goes on; new trials for the workers that are left, up to `total` in all."""
    going_on = tuple(go_on(member, "trains on") for member in answering(state, ready))
    first = len(state.members)
    made: Configurations = []
    begun = []
    for index in range(first, min(first + max(free - len(going_on), 0), total)):
        values, origin = propose(index, made)
        made.append(values)
        begun.append(begin(index, 0, None, values, origin))
    return (*going_on, *begun)


def left(experiment: PopulationExperiment, state: State, total: int) -> int:
    """Trials to start, and those that have not ended."""
    return max(total - len(state.members), 0) + len(unfinished(experiment, state))


def ended(experiment: PopulationExperiment, state: State) -> tuple[Member, ...]:
    """Trials that were trained to the end, or ended by failures, by index."""
    last = experiment.spec.schedule.max_steps
    return tuple(m for m in state.population if m.stopped or m.step >= last)


def final_score(member: Member) -> float:
    """The score at the end; NaN of a trial that failed."""
    whole = not member.stopped and member.latest is not None and member.latest.directive
    return member.latest.score if whole and member.latest is not None else float("nan")
