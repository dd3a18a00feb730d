"""Bandits: members are trials that come and go, and the algorithm says when it is over."""

from __future__ import annotations

import math

from population_operator.algorithms.base import Bandit
from population_operator.algorithms.registry import algorithm_of
from population_operator.api import ExperimentSpec
from population_operator.core.directives import finished
from population_operator.model.report import Report
from population_operator.model.state import Member, RungResult, State


def bandit_of(state: State) -> Bandit | None:
    """The experiment's algorithm where its members are trials."""
    algorithm = algorithm_of(state.spec)
    return algorithm if isinstance(algorithm, Bandit) else None


def demand(state: State) -> int:
    """How many members may still train at once: no more workers than this are of any use."""
    bandit = bandit_of(state)
    if bandit is not None:
        return bandit.demand(state.spec, state)
    schedule = state.spec.spec.schedule
    return sum(not finished(member, schedule) for member in state.members.values())


def wanted_workers(state: State) -> int:
    """How many workers there should be."""
    return min(state.spec.spec.population.workers, demand(state))


def trained(member: Member, report: Report) -> float | None:
    """`Member.seconds` with this report: its own are those since the report before."""
    more = report.seconds.get("train")
    return None if member.seconds is None or more is None else member.seconds + more


def ended_rung(member: Member, report: Report) -> RungResult | None:
    """The result of the rung that a report ends; none where the member is on no rung."""
    decision = member.decision
    if decision.until is None or decision.rung is None:
        return None
    return RungResult(
        bracket=decision.bracket or 0,
        rung=decision.rung,
        step=decision.until,
        score=report.score if report.finite else math.nan,
        seconds=trained(member, report),
    )


LAST_TRY = "that was its last try, and the trial ends"
"""What is said of a failure for which `is_last` holds."""


def is_last(spec: ExperimentSpec, member: Member) -> bool:
    """Whether one failure more ends the trial."""
    return member.trial and member.failures >= spec.worker.max_restarts


def given_up(spec: ExperimentSpec, member: Member) -> bool:
    """Whether a trial ended because it failed more often than `maxRestarts` allows."""
    return member.stopped and member.failures > spec.worker.max_restarts
