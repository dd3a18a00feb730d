"""Journal entries: what was observed, and what follows from it, written in one piece.

An event names a fact; `core/fold.py` says what it does to the state. Events of the first half come
from the world, events of the second half from `decide`, which is a pure function of the first.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from population_operator.api import PopulationExperiment
from population_operator.model.base import Record
from population_operator.model.decision import Decision, Forget
from population_operator.model.numbers import Number
from population_operator.model.report import CheckpointRef, Report


class Phase(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"

    @property
    def ended(self) -> bool:
        return self in (Phase.COMPLETE, Phase.FAILED)


class Cause(StrEnum):
    """Why an incarnation is gone; `charged` says whether it counts against the member."""

    EXITED = "Exited"
    OUT_OF_MEMORY = "OutOfMemory"
    STRAGGLED = "Straggled"
    PREEMPTED = "Preempted"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    VANISHED = "Vanished"
    UNREACHABLE = "Unreachable"
    ABANDONED = "Abandoned"
    """The controller ended, and its workers with it; no slot is held for that."""
    REFUSED = "Refused"
    """It could not be started at all (no such command, no such image), or takes no directive."""

    @property
    def charged(self) -> bool:
        return self in (Cause.EXITED, Cause.OUT_OF_MEMORY, Cause.STRAGGLED, Cause.REFUSED)


# --- the observed half ---------------------------------------------------------------------------


class SpecObserved(Record):
    """The experiment as the user wants it now; the first entry has it, and each that changes it."""

    kind: Literal["spec"] = "spec"
    experiment: PopulationExperiment


class WorkerSeen(Record):
    """The incarnation exists in the world, under this uid; `started` once its process runs.

    One that is not `warm` takes no directive but the one it was started with: a program that does
    nothing but export metrics. Its next directive is a new incarnation.
    """

    kind: Literal["seen"] = "seen"
    worker: str
    incarnation: int
    uid: str
    started: bool
    warm: bool = True


class WorkerGone(Record):
    """The incarnation does not exist any more, or will never answer again."""

    kind: Literal["gone"] = "gone"
    worker: str
    incarnation: int
    cause: Cause
    detail: str = ""


class Reported(Record):
    """A worker's report; `cursor` counts the events of its incarnation."""

    kind: Literal["report"] = "report"
    worker: str
    incarnation: int
    cursor: int
    report: Report


class Forgotten(Record):
    """A worker has deleted what it was told to forget."""

    kind: Literal["forgotten"] = "forgotten"
    worker: str
    incarnation: int
    cursor: int
    forgotten: tuple[Forget, ...]


class RestoreFailed(Record):
    """A checkpoint could not be restored: its bytes are not what its manifest says."""

    kind: Literal["restore_failed"] = "restore_failed"
    worker: str
    incarnation: int
    cursor: int
    directive: int
    member: str
    checkpoint: CheckpointRef
    reason: str


class Troubled(Record):
    """Something a worker struggles with and has not given up on, such as a full volume."""

    kind: Literal["trouble"] = "trouble"
    worker: str
    incarnation: int
    cursor: int
    member: str
    reason: str


Observed = Annotated[
    SpecObserved | WorkerSeen | WorkerGone | Reported | Forgotten | RestoreFailed | Troubled,
    Field(discriminator="kind"),
]


# --- the decided half ----------------------------------------------------------------------------


class PhaseChanged(Record):
    kind: Literal["phase"] = "phase"
    phase: Phase
    reason: str
    message: str = ""


class MemberFailed(Record):
    """A failure charged to a member: it waits until `not_before`, and counts as a restart."""

    kind: Literal["member_failed"] = "member_failed"
    member: str
    cause: Cause
    detail: str
    not_before: Number


class Straggled(Record):
    """A member did not report in time. In synchronous mode the round goes on, ranking it last."""

    kind: Literal["straggled"] = "straggled"
    member: str


class Decided(Record):
    kind: Literal["decision"] = "decision"
    decision: Decision


class WorkerOpened(Record):
    """A new incarnation of a slot is to exist."""

    kind: Literal["opened"] = "opened"
    worker: str
    incarnation: int


class WorkerClosed(Record):
    """An incarnation is not wanted any more."""

    kind: Literal["closed"] = "closed"
    worker: str
    incarnation: int
    reason: str


class WorkerHeld(Record):
    """A slot that keeps losing its incarnations opens no other one before `not_before`."""

    kind: Literal["held"] = "held"
    worker: str
    not_before: Number


class Issued(Record):
    """A member is put on a worker's incarnation. The directive's id is this entry's number."""

    kind: Literal["issued"] = "issued"
    worker: str
    incarnation: int
    member: str


class CleanedUp(Record):
    """After the end: nothing is left to be deleted, or the time for it is over."""

    kind: Literal["cleaned_up"] = "cleaned_up"
    remaining: int = 0


Follows = Annotated[
    PhaseChanged
    | MemberFailed
    | Straggled
    | Decided
    | WorkerOpened
    | WorkerClosed
    | WorkerHeld
    | Issued
    | CleanedUp,
    Field(discriminator="kind"),
]


class Entry(Record):
    """One atomic append. `seq` counts from 1 without a gap; `time` is seconds since the epoch."""

    seq: int
    time: Number
    observed: tuple[Observed, ...] = ()
    decided: tuple[Follows, ...] = ()
