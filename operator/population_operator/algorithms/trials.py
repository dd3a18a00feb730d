"""What all bandits share: trials that start, go on to the next rung, or end.

Results are ranked by one total order: a higher merit first, what is not finite last, ties by index
(the trial that was started first). What is not finite never goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from population_operator.algorithms.start import FIRST, configuration
from population_operator.api import Goal, PopulationExperiment, Value
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.state import Member, RungResult, State, member_name


def begin(
    index: int, bracket: int, until: int | None, values: dict[str, Value], origin: str
) -> Decision:
    """The trial of this index begins on the lowest rung of a bracket."""
    place = f" of bracket {bracket}" if bracket else ""
    goal = f" to step {until}" if until is not None else ""
    return Decision(
        member=member_name(index),
        count=FIRST,
        kind=DecisionKind.START,
        hyperparameters=values,
        reason=f"trial {index}{place} trains{goal} from {origin}",
        until=until,
        bracket=bracket,
        rung=0,
    )


def drawn(experiment: PopulationExperiment, index: int, key: Key) -> tuple[dict[str, Value], str]:
    """A configuration that no model had a say in, and where it comes from."""
    given = index < len(experiment.spec.initial)
    origin = f"initial[{index}]" if given else "a random draw"
    return configuration(experiment, index, key), origin


def promote(member: Member, rung: int, until: int, reason: str) -> Decision:
    """The trial goes on to a rung, which ends at step `until`.

    One whose worker cannot save starts again from zero. One whose last interval ended beyond
    `until` already trains at least one step more: nothing else brings a report.
    """
    saved = member.latest is None or member.latest.checkpoint
    source = member.position if saved else None
    until = max(until, source.step + 1) if source else until
    more = "" if saved else "; its worker saves nothing, so it starts again from zero"
    said = f"{reason}; goes on to step {until}{more}"
    return _next(member, DecisionKind.PROMOTE, rung, said).model_copy(
        update={"until": until, "source": source}
    )


def stop(member: Member, reason: str) -> Decision:
    """The trial ends where it stands."""
    return _next(member, DecisionKind.STOP, member.decision.rung or 0, reason)


def go_on(member: Member, reason: str) -> Decision:
    """The trial trains another interval, as it is."""
    return _next(member, DecisionKind.CONTINUE, member.decision.rung or 0, reason)


def _next(member: Member, kind: DecisionKind, rung: int, reason: str) -> Decision:
    return Decision(
        member=member.name,
        count=member.decision.count + 1,
        kind=kind,
        hyperparameters=member.decision.hyperparameters,
        source=member.position,
        at_step=member.step,
        reason=reason,
        bracket=member.decision.bracket,
        rung=rung,
    )


def result_at(member: Member, rung: int) -> RungResult | None:
    """What the trial came to at the end of a rung; none before that, and where it failed."""
    for result in member.rungs:  # In the inner loop of every bandit: no generator.
        if result.rung == rung:
            return result
    return None


def outcomes(state: State) -> Iterator[tuple[Member, RungResult]]:
    """All results, by trial; NaN where it failed for good, on the rung that it was on."""
    for member in state.population:
        for result in member.rungs:
            yield member, result
        if (failed := _failed(member)) is not None:
            yield member, failed


def _failed(member: Member) -> RungResult | None:
    """What stands for the result that a trial owes; whom an algorithm ends has one on its rung."""
    decision = member.decision
    if not member.stopped or decision.rung is None or decision.until is None:
        return None
    if result_at(member, decision.rung) is not None:
        return None
    return RungResult(decision.bracket or 0, decision.rung, decision.until, math.nan)


def value_at(member: Member, rung: int, goal: Goal) -> float:
    """The merit of that result; -inf where there is none, or none that is finite."""
    result = result_at(member, rung)
    return merit(goal, result.score) if result is not None else float("-inf")


def ranked(members: Iterable[Member], rung: int, goal: Goal) -> tuple[Member, ...]:
    """The trials by their results at a rung, the best first; ties by index."""
    return tuple(sorted(members, key=lambda m: (-value_at(m, rung, goal), m.index)))


def ranked_values(
    members: Iterable[Member], rung: int, goal: Goal
) -> tuple[tuple[float, Member], ...]:
    """Merits and trials of those that came to the end of a rung, in the order of `ranked`."""
    found = [
        (-merit(goal, result.score), member.index, member)
        for member in members
        if (result := result_at(member, rung)) is not None
    ]
    found.sort(key=lambda it: it[:2])
    return tuple((-loss, member) for loss, _, member in found)


def in_words(member: Member, rung: int, place: int, count: int) -> str:
    """`score 0.93 ranks 2 of 9 on rung 1`."""
    result = result_at(member, rung)
    score = f"{result.score:.4g}" if result is not None else "none"
    return f"score {score} ranks {place} of {count} on rung {rung}"


def unfinished(experiment: PopulationExperiment, state: State) -> tuple[Member, ...]:
    """The trials that have not ended, by index."""
    last = experiment.spec.schedule.max_steps
    return tuple(m for m in state.population if not m.stopped and m.step < last)
