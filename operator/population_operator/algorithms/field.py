"""Who is compared with whom: the field that a member stands in, in rank order.

The order is total, whatever the scores are: a higher merit first, NaN and infinities last, ties by
index (the lower one first). A tie is an order like any other, not a reason to do nothing: two
members that start with equal scores would otherwise never exchange anything.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from population_operator.api import Goal, PopulationExperiment
from population_operator.model.report import Report, merit
from population_operator.model.state import Member, State


@dataclass(frozen=True, eq=False)
class Contender:
    """A member by one report of it: what is compared, and the checkpoint that would be copied.

    `donates` says whether others may copy that checkpoint.
    """

    member: Member
    report: Report
    goal: Goal
    donates: bool

    @cached_property
    def merit(self) -> float:
        """The score as something to maximise; -inf where it is not finite."""
        return merit(self.goal, self.report.score)

    @cached_property
    def rank_key(self) -> tuple[float, int]:
        """Sorts the best first."""
        return (-self.merit, self.member.index)

    def beats(self, other: Contender) -> bool:
        """Whether this one stands before the other in the total order."""
        return self.rank_key < other.rank_key

    def samples(self, count: int) -> tuple[float, ...]:
        """The last values of these weights as merits, oldest first: at most `count`, all finite.

        They are the samples that the worker sent with the report, or else the scores of the
        reports along the lineage up to this one. Among the last `count`, what is not finite is
        left out; nothing older takes its place.
        """
        scores = self.report.samples or self._lineage_scores()
        merits = (merit(self.goal, score) for score in scores[-count:])
        return tuple(value for value in merits if math.isfinite(value))

    def _lineage_scores(self) -> tuple[float, ...]:
        lineage, mine = self.member.lineage, self.report.ref
        ends = [end for end, report in enumerate(lineage, start=1) if report.ref == mine]
        reports = lineage[: ends[-1]] if ends else (*lineage, self.report)
        return tuple(report.score for report in reports)


Field = tuple[Contender, ...]
"""N contenders in rank order, the best first."""


def of_round(experiment: PopulationExperiment, state: State, members: Iterable[Member]) -> Field:
    """Synchronous mode: the members of one interval among themselves, by their latest reports.

    A member without a report is not in the field. One whose report is not finite ranks last.
    """
    contenders = [
        _contender(experiment, state, member, member.latest)
        for member in members
        if member.latest is not None
    ]
    return tuple(sorted(contenders, key=_rank))


def of_latest_good(experiment: PopulationExperiment, state: State) -> Field:
    """Asynchronous mode: every member by the latest good report of its current weights.

    A member that has just copied another has none until it reports, and is not in the field. One
    that stands at `maxSteps` is in the field but donates nothing: from there, there is nothing
    left to train.
    """
    contenders = [
        _contender(experiment, state, member, member.good, last=experiment.spec.schedule.max_steps)
        for member in state.members.values()
        if member.good is not None
    ]
    return tuple(sorted(contenders, key=_rank))


def facing(experiment: PopulationExperiment, state: State, member: Member, others: Field) -> Field:
    """Asynchronous mode: a ready member by its own latest report, against all `others`.

    Empty where the member has no report. Its own latest may be a NaN while an earlier report of
    the same weights' lineage is good: it stands for itself as it is now.
    """
    if member.latest is None:
        return ()
    field = [contender for contender in others if contender.member.name != member.name]
    insort(field, _contender(experiment, state, member, member.latest), key=_rank)
    return tuple(field)


def _contender(
    experiment: PopulationExperiment,
    state: State,
    member: Member,
    report: Report,
    last: int | None = None,
) -> Contender:
    unfinished = last is None or member.step < last
    whole = report.finite and report.checkpoint and report.ref not in state.bad
    goal = experiment.spec.objective.goal
    return Contender(member, report, goal, donates=whole and unfinished)


def _rank(contender: Contender) -> tuple[float, int]:
    return contender.rank_key
