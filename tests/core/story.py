"""An experiment told event by event: a test says what was observed, and gets what follows.

Real: `conclude` and `fold`, nothing else. No fleet, no clock: time passes where a test says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from population_operator.core.decide import conclude
from population_operator.core.fold import fold
from population_operator.core.verify import verify
from population_operator.model.decision import Decision, Directive
from population_operator.model.entry import (
    Cause,
    Decided,
    Entry,
    Follows,
    Observed,
    Reported,
    RestoreFailed,
    SpecObserved,
    WorkerGone,
    WorkerSeen,
)
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import Member, State, Worker
from tests.builders import ExperimentBuilder

E = TypeVar("E")


@dataclass
class Story:
    """The journal so far, and the state that it adds up to."""

    experiment: ExperimentBuilder
    state: State = field(default_factory=State)
    now: float = 1000.0
    entries: list[Entry] = field(default_factory=list)

    # --- what is observed ---

    def tell(self, *observed: Observed) -> tuple[Follows, ...]:
        """This is observed now. Returns what follows, nothing where it is worth no entry."""
        entry = conclude(self.state, observed, self.now)
        if entry is None:
            return ()
        entry = Entry.model_validate_json(entry.model_dump_json())
        self.state = fold(self.state, entry)
        self.entries.append(entry)
        return entry.decided

    def pass_(self, seconds: float) -> tuple[Follows, ...]:
        """So much time passes, and nothing else happens."""
        self.now += seconds
        return self.tell()

    def begin(self) -> tuple[Follows, ...]:
        return self.spec(self.experiment)

    def spec(self, experiment: ExperimentBuilder) -> tuple[Follows, ...]:
        """The user wants this now."""
        self.experiment = experiment
        return self.tell(SpecObserved(experiment=experiment.build()))

    def seen(self, *names: str) -> tuple[Follows, ...]:
        """The processes of these slots run; of all that do not yet where none is named."""
        workers = [w for w in self.state.workers.values() if w.open and not w.started]
        return self.tell(
            *(
                WorkerSeen(
                    worker=w.name,
                    incarnation=w.incarnation,
                    uid=f"{w.name}-{w.incarnation}",
                    started=True,
                )
                for w in workers
                if not names or w.name in names
            )
        )

    def reported(
        self, worker: str, score: float, step: int | None = None, **fields: object
    ) -> Reported:
        """The event of a report under the worker's directive, at its end where no step is said."""
        slot, directive = self.worker(worker), self.directive(worker)
        values = {
            "directive": directive.id,
            "member": directive.member,
            "step": step or directive.until,
            "score": score,
            **fields,
        }
        return Reported(
            worker=worker,
            incarnation=slot.incarnation,
            cursor=slot.cursor + 1,
            report=Report.model_validate(values),
        )

    def report(
        self, worker: str, score: float, step: int | None = None, **fields: object
    ) -> tuple[Follows, ...]:
        return self.tell(self.reported(worker, score, step, **fields))

    def round(self, *scores: float) -> tuple[Follows, ...]:
        """The members on w0, w1, ... report these scores, all at once."""
        return self.tell(*(self.reported(f"w{n}", score) for n, score in enumerate(scores)))

    def gone(
        self, worker: str, cause: Cause = Cause.EXITED, detail: str = "it said: oh"
    ) -> tuple[Follows, ...]:
        slot = self.worker(worker)
        return self.tell(
            WorkerGone(worker=worker, incarnation=slot.incarnation, cause=cause, detail=detail)
        )

    def bad(self, worker: str, checkpoint: CheckpointRef | None = None) -> tuple[Follows, ...]:
        """The worker could not restore what its directive says."""
        slot, directive = self.worker(worker), self.directive(worker)
        ref = checkpoint or directive.restore
        assert ref is not None
        return self.tell(
            RestoreFailed(
                worker=worker,
                incarnation=slot.incarnation,
                cursor=slot.cursor + 1,
                directive=directive.id,
                member=directive.member,
                checkpoint=ref,
                reason="digest",
            )
        )

    # --- what it adds up to ---

    def member(self, name: str) -> Member:
        return self.state.members[name]

    def worker(self, name: str) -> Worker:
        return self.state.workers[name]

    def directive(self, worker: str) -> Directive:
        directive = self.worker(worker).directive
        assert directive is not None, f"{worker} has nothing to do"
        return directive

    def check(self) -> None:
        """Every entry follows from its first half."""
        assert verify(self.entries).divergence is None


def of(kind: type[E], events: Iterable[object]) -> list[E]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def decisions(events: Iterable[object]) -> dict[str, Decision]:
    """The decisions by member."""
    return {event.decision.member: event.decision for event in of(Decided, events)}


def running(experiment: ExperimentBuilder) -> Story:
    """It has begun, and all its workers run."""
    story = Story(experiment)
    story.begin()
    story.seen()
    return story
