"""The state of an experiment: what the journal's entries add up to.

Its size depends on the number of members and workers, not on how long they have been training:
histories are bounded, and the journal keeps the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from population_operator.api import PopulationExperiment, Value
from population_operator.model.decision import Decision, DecisionKind, Directive
from population_operator.model.entry import Phase
from population_operator.model.report import CheckpointRef, Report

LINEAGE_REPORTS = 100
"""Reports kept along a member's lineage: no algorithm looks further back (`tTest.samples`)."""


TRANSITIONS = 1000
"""Intervals kept for algorithms that learn from all members' past (PB2's window)."""


@dataclass(frozen=True)
class Transition:
    """One interval that a member trained, as a model of the score's change sees it.

    `before` is the score at the checkpoint that it started from (the donor's after an exploit; none
    at a member's very start), `after` the score at its end; either may be non-finite. `index`
    counts intervals from 1: the one that ends at step `index * interval`.
    """

    member: str
    index: int
    steps: int
    hyperparameters: Mapping[str, Value]
    before: float | None
    after: float


@dataclass(frozen=True)
class RungResult:
    """What a trial came to at the end of a rung; `score` is NaN where it missed it.

    `step` is where the rung ends, not by how much it was overshot. `seconds` are `Member.seconds`.
    """

    bracket: int
    rung: int
    step: int
    score: float
    seconds: float | None = None


@dataclass(frozen=True)
class Member:
    """One slot of the population.

    `decision` is what it trains under; `directives` are the ids issued for that decision, oldest
    first, whose reports are accepted. `latest` is the last report of the current weights (of the
    current decision, or the one before while nothing new has come in); `good` is the last finite
    one, none between an exploit and the first report after it. `kept` is the newest good report
    whatever came after it: its checkpoint stays until a better-founded one exists. `lineage` holds
    the reports along the lineage, oldest first: after an exploit, the donor's up to the copied
    checkpoint. `score` is the score at the
    checkpoint that the decision continues from. `failures` counts since the last report or
    replacement, `replacements` since the last report. `rungs` are a trial's results, one for each
    rung that it came to the end of. `seconds` are those in which workers trained a trial since it
    began from zero, by all reports that counted; none where one of them did not tell. Times are
    seconds since the epoch.
    """

    name: str
    index: int
    baseline: bool
    decision: Decision
    step: int = 0
    score: float | None = None
    directives: tuple[int, ...] = ()
    reported: bool = False
    latest: Report | None = None
    good: Report | None = None
    kept: Report | None = None
    lineage: tuple[Report, ...] = ()
    worker: str | None = None
    issued_at: float = 0.0
    heard_at: float = 0.0
    waiting_since: float = 0.0
    failures: int = 0
    replacements: int = 0
    not_before: float = 0.0
    last_failure: str = ""
    rungs: tuple[RungResult, ...] = ()
    seconds: float | None = 0.0

    @property
    def trial(self) -> bool:
        """Whether it is a trial of a bandit: it keeps its hyperparameters, and ends by itself."""
        return self.decision.rung is not None

    @property
    def stopped(self) -> bool:
        """Whether it ended before its last step."""
        return self.decision.kind is DecisionKind.STOP

    @property
    def position(self) -> CheckpointRef | None:
        """The checkpoint that the member stands at: where a `continue` goes on from.

        The latest report's; where the member missed its interval (it straggled: `directive` is 0),
        or has not reported under its decision, the decision's own source.
        """
        if self.latest is not None and self.latest.directive:
            return self.latest.ref
        return self.decision.source


@dataclass(frozen=True)
class Worker:
    """One slot that trains; an incarnation is one start of it.

    `directive` is the newest one issued to this incarnation; `holds` is the checkpoint that it has
    in memory as far as is known. `cursor` counts the events that were taken in from it. `losses`
    counts incarnations in a row that never delivered a report.
    """

    name: str
    incarnation: int = 0
    open: bool = False
    uid: str = ""
    started: bool = False
    warm: bool = True
    opened_at: float = 0.0
    started_at: float = 0.0
    member: str | None = None
    directive: Directive | None = None
    holds: CheckpointRef | None = None
    cursor: int = 0
    delivered: bool = False
    losses: int = 0
    not_before: float = 0.0
    trouble: str = ""


@dataclass(frozen=True)
class DirectiveRecord:
    """Which checkpoints may lie on the volume under one directive of one member.

    `steps` are known to exist (reported, or copied from a donor); `closed` says that nobody
    continues from under this directive any more; `purged` is what was kept when a worker last
    confirmed a deletion (none: never).
    """

    steps: tuple[int, ...] = ()
    closed: bool = False
    purged: tuple[int, ...] | None = None


@dataclass(frozen=True)
class State:
    """The fold of a journal. `experiment` is none only before the first entry.

    `active` is the time spent running (suspension excluded) up to `time`; `bad` holds checkpoints
    that could not be restored. `transitions` are the last `TRANSITIONS` intervals, in the order in
    which they ended. `best` is fixed by the entry that ends the experiment. `given_up` counts the
    trials that ended by failures since anybody last reported.
    """

    seq: int = 0
    time: float = 0.0
    experiment: PopulationExperiment | None = None
    phase: Phase = Phase.PENDING
    phase_reason: str = ""
    phase_message: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0
    active: float = 0.0
    members: Mapping[str, Member] = field(default_factory=dict)
    workers: Mapping[str, Worker] = field(default_factory=dict)
    directives: Mapping[tuple[str, int], DirectiveRecord] = field(default_factory=dict)
    bad: frozenset[CheckpointRef] = frozenset()
    best: Report | None = None
    transitions: tuple[Transition, ...] = ()
    reports: int = 0
    decisions: int = 0
    exploits: int = 0
    given_up: int = 0
    cleaned_up: bool = False

    @property
    def spec(self) -> PopulationExperiment:
        """The experiment; an error before the first entry."""
        if self.experiment is None:
            raise ValueError("the journal is empty: no experiment yet")
        return self.experiment

    @property
    def population(self) -> tuple[Member, ...]:
        """The members by index."""
        return tuple(sorted(self.members.values(), key=lambda m: m.index))


def member_name(index: int) -> str:
    """The name of a member; names order by their index, not as text."""
    return f"m{index}"


def worker_name(index: int) -> str:
    return f"w{index}"


def next_boundary(step: int, interval: int, max_steps: int) -> int:
    """The step at which the interval ends that a member at `step` is in."""
    return min((step // interval + 1) * interval, max_steps)
