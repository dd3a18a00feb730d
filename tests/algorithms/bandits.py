"""Builders for bandits: a trial at the end of a rung, on its way, or ended."""

from __future__ import annotations

import math
from collections.abc import Sequence

from population_operator.algorithms.base import Bandit
from population_operator.algorithms.registry import algorithm_of
from population_operator.api import PopulationExperiment
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.key import Key
from population_operator.model.report import Report
from population_operator.model.state import Member, RungResult, State, member_name
from tests.builders import ExperimentBuilder, a_state, an_experiment


def a_bandit(
    block: str, size: int | None = None, workers: int = 4, **fields: object
) -> ExperimentBuilder:
    """An experiment with this algorithm: 81 steps, the smallest budget is 1."""
    built = an_experiment().set("spec.algorithm", {block: fields}).steps(1, 81)
    return built.set("spec.population.size", size).set("spec.population.parallelism", workers)


def a_trial(
    index: int,
    steps: Sequence[int],
    scores: Sequence[float],
    *,
    rung: int | None = None,
    bracket: int = 0,
    stopped: bool = False,
    saves: bool = True,
    lr: float = 0.1,
) -> Member:
    """A trial with results on the lowest rungs; it waits on the last of them, or trains on `rung`.

    Args:
      steps: where the rungs end.
    """
    at = max(len(scores) - 1, 0) if rung is None else rung
    waits = len(scores) > at and not stopped
    kind = DecisionKind.PROMOTE if at else DecisionKind.START
    latest = None
    if scores:
        step = steps[len(scores) - 1]
        latest = Report(
            directive=1, member=member_name(index), step=step, score=scores[-1], checkpoint=saves
        )
    return Member(
        name=member_name(index),
        index=index,
        baseline=False,
        decision=Decision(
            member=member_name(index),
            count=at + 1 + stopped,
            kind=DecisionKind.STOP if stopped else kind,
            hyperparameters={"lr": lr},
            until=steps[at],
            bracket=bracket,
            rung=at,
        ),
        step=steps[len(scores) - 1] if scores else 0,
        reported=waits,
        latest=latest,
        rungs=tuple(
            RungResult(bracket, i, steps[i], score if math.isfinite(score) else math.nan)
            for i, score in enumerate(scores)
        ),
    )


def asked(
    experiment: PopulationExperiment, members: Sequence[Member], free: int = 0
) -> tuple[Decision, ...]:
    """What the experiment's bandit answers to these trials."""
    state: State = a_state(experiment, *members)
    last = experiment.spec.schedule.max_steps
    ready = tuple(m.name for m in state.population if m.reported and m.step < last)
    bandit = algorithm_of(experiment)
    assert isinstance(bandit, Bandit)
    return bandit.decide(experiment, state, ready, free, Key.of(experiment))


def named(decisions: Sequence[Decision], kind: DecisionKind) -> list[int]:
    """The indices of the trials that got this kind of answer."""
    return [int(d.member[1:]) for d in decisions if d.kind is kind]
