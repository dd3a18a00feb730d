"""Synchronous successive halving of any number of brackets that run side by side.

A rung is decided once all its trials have a result or have failed; then the best of them go on, as
many as the table of `brackets.py` says, and the others end. What a bracket decides depends on its
own results alone, not on when they came: a crash changes nothing. While a rung waits for its last
trials, free workers begin the next bracket.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from population_operator.algorithms.base import Plan
from population_operator.algorithms.brackets import Bracket
from population_operator.algorithms.trials import (
    begin,
    in_words,
    promote,
    ranked,
    stop,
    unfinished,
    value_at,
)
from population_operator.api import PopulationExperiment, Value
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.state import Member, State

Brackets = tuple[Bracket, ...]
Propose = Callable[[int, Bracket, tuple[dict[str, Value], ...]], tuple[dict[str, Value], str]]
"""The configuration of a new trial, and where it comes from: by its index, its bracket, and the
configurations that were proposed just now."""


def halve(
    experiment: PopulationExperiment,
    state: State,
    brackets: Brackets,
    free: int,
    propose: Propose,
) -> tuple[Decision, ...]:
    """Answers for every rung that is complete, by index; then new trials."""
    answers = sorted(
        (
            answer
            for bracket, active in _active(experiment, state, brackets)
            for answer in _rung(experiment, state, bracket, active)
        ),
        key=lambda decision: state.members[decision.member].index,
    )
    going_on = sum(answer.kind is DecisionKind.PROMOTE for answer in answers)
    return (*answers, *starts(state, brackets, free - going_on, propose))


def starts(state: State, brackets: Brackets, room: int, propose: Propose) -> Iterator[Decision]:
    """New trials for at most `room` workers, bracket after bracket."""
    first, end = len(state.members), brackets[-1].end if brackets else 0
    made: tuple[dict[str, Value], ...] = ()
    for index in range(first, min(first + max(room, 0), end)):
        bracket = next(b for b in brackets if b.first <= index < b.end)
        values, origin = propose(index, bracket, made)
        made = (*made, values)
        yield begin(index, bracket.number, bracket.steps[0], values, origin)


def _rung(
    experiment: PopulationExperiment, state: State, bracket: Bracket, active: tuple[Member, ...]
) -> Iterator[Decision]:
    """Decisions for the lowest rung that anybody is on, once nobody on it trains."""
    if not active or bracket.end > len(state.members):
        return
    rung = min(member.decision.rung or 0 for member in active)
    field = [member for member in active if member.decision.rung == rung]
    if rung >= bracket.last or not all(member.reported for member in field):
        return
    goal, places = experiment.spec.objective.goal, bracket.sizes[rung + 1]
    for place, member in enumerate(ranked(field, rung, goal), start=1):
        said = in_words(member, rung, place, len(field))
        if place <= places and value_at(member, rung, goal) > float("-inf"):
            yield promote(member, rung + 1, bracket.steps[rung + 1], said)
        else:
            yield stop(member, f"{said}, {places} go on; it ends")


def halving_demand(experiment: PopulationExperiment, state: State, brackets: Brackets) -> int:
    """Trials to start, and for each bracket those that train or may go on to its next rung."""
    total = max((brackets[-1].end if brackets else 0) - len(state.members), 0)
    for bracket, active in _active(experiment, state, brackets):
        if not active:
            continue
        training = sum(not member.reported for member in active)
        rung = min(member.decision.rung or 0 for member in active)
        later = bracket.sizes[rung + 1] if rung < bracket.last else 0
        total += max(training, min(later, len(active)))
    return total


def plan_of(brackets: Brackets) -> Plan:
    """All trials of all brackets; the first bracket has the rungs of the others, too."""
    return Plan(brackets[-1].end, brackets[0].steps) if brackets else Plan(0, ())


def _active(
    experiment: PopulationExperiment, state: State, brackets: Brackets
) -> Iterator[tuple[Bracket, tuple[Member, ...]]]:
    """Each bracket's trials that have not ended, by index."""
    active = unfinished(experiment, state)
    indices = [member.index for member in active]
    for bracket in brackets:
        first, end = bisect_left(indices, bracket.first), bisect_left(indices, bracket.end)
        yield bracket, active[first:end]
