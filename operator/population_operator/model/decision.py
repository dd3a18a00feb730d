"""What the algorithm answers, and what a worker is told to do about it."""

from __future__ import annotations

from enum import StrEnum

from population_operator.api import Value
from population_operator.model.base import Record
from population_operator.model.numbers import Number
from population_operator.model.report import CheckpointRef


class DecisionKind(StrEnum):
    START = "start"
    CONTINUE = "continue"
    EXPLOIT = "exploit"
    REPLACE = "replace"
    """A member that failed too often continues as a clone of a healthy one."""
    FAILOVER = "failover"
    """The checkpoint that was to be restored turned out bad: another one takes its place."""
    PROMOTE = "promote"
    """A trial goes on from its own checkpoint to a new rung, with a larger budget."""
    STOP = "stop"
    """A trial ends: nothing more is trained, and its checkpoints go."""


class Expected(Record):
    """What a model expected of a decision: the change of the score per step, in the score's unit.

    `mean` and `sd` are of the change without the noise of a single interval, `rows` the intervals
    that the model had seen.
    """

    mean: Number
    sd: Number
    rows: int


class Decision(Record):
    """The answer for one member: with which hyperparameters it continues, and from where.

    `count` counts the member's decisions from 1; `source` is the checkpoint to continue from (none
    only at the very start); `at_step` is the step at which the member stood when it was decided;
    `expected` is what the algorithm's model promised itself, where it has one. `until` is the step
    at which the training under this decision ends (none: at the next boundary of an interval).
    A trial's decisions say in which `bracket` and on which `rung` of it the trial is, from 0.
    """

    member: str
    count: int
    kind: DecisionKind
    hyperparameters: dict[str, Value]
    source: CheckpointRef | None = None
    at_step: int = 0
    reason: str = ""
    expected: Expected | None = None
    until: int | None = None
    bracket: int | None = None
    rung: int | None = None

    @property
    def id(self) -> str:
        return f"{self.member}/{self.count}"


class DirectiveKind(StrEnum):
    START = "start"
    RESUME = "resume"
    EXPLOIT = "exploit"
    PROMOTE = "promote"


class Forget(Record):
    """Delete every checkpoint of this member and directive, except the steps in `keep`."""

    member: str
    directive: int
    keep: tuple[int, ...] = ()


class Directive(Record):
    """What a worker does next. Its `id` is the sequence number of the entry that issued it."""

    id: int
    incarnation: int
    member: str
    kind: DirectiveKind
    hyperparameters: dict[str, Value]
    immutable: tuple[str, ...] = ()
    restore: CheckpointRef | None = None
    resumes: tuple[int, ...] = ()
    until: int
    max_steps: int
    seed: int
    forget: tuple[Forget, ...] = ()
