"""What a worker says about a member, and where the weights lie that it is about."""

from __future__ import annotations

import math

from population_operator.api import Goal, Value
from population_operator.model.base import Record
from population_operator.model.numbers import Number


class CheckpointRef(Record):
    """Names one immutable checkpoint: `<member>/<directive>-<step>`."""

    member: str
    directive: int
    step: int

    def __str__(self) -> str:
        return f"{self.member}/{self.directive}-{self.step}"


MAX_SAMPLES, MAX_METRICS = 1000, 200
"""Of a report, where a worker says more: the newest samples, the first metrics by name."""


class Report(Record):
    """One evaluation of a member at a step, under a directive.

    `samples` are recent values of the current weights (episode returns), newest last, at most
    `MAX_SAMPLES`; `metrics` are shown and never selected on, at most `MAX_METRICS`;
    `hyperparameters` is the worker's echo of what it really uses.
    """

    directive: int
    member: str
    step: int
    score: Number
    samples: tuple[Number, ...] = ()
    metrics: dict[str, Number] = {}
    hyperparameters: dict[str, Value] = {}
    checkpoint: bool = True
    seconds: dict[str, Number] = {}

    @property
    def ref(self) -> CheckpointRef:
        """The checkpoint that was committed before this report was published."""
        return CheckpointRef(member=self.member, directive=self.directive, step=self.step)

    @property
    def finite(self) -> bool:
        return math.isfinite(self.score)


def merit(goal: Goal, score: float) -> float:
    """The score as something to maximise; what is not finite ranks below everything."""
    if not math.isfinite(score):
        return -math.inf
    return score if goal is Goal.MAXIMIZE else -score
