"""What the world looks like right now, and which of it is news to the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from population_operator.api import PopulationExperiment
from population_operator.model.entry import (
    Cause,
    Forgotten,
    Observed,
    Reported,
    RestoreFailed,
    SpecObserved,
    Troubled,
    WorkerGone,
    WorkerSeen,
)
from population_operator.model.state import State, Worker

BATCH = 256
BATCH_BYTES = 400_000
"""Events taken into one entry, and their size at most but for the first one: a flood of reports
becomes several entries of bounded size."""

SILENCE = 30.0
"""Seconds without an answer after which a worker is given up, while others do answer."""

WorkerEvent = Reported | Forgotten | RestoreFailed | Troubled


@dataclass(frozen=True)
class PresentWorker:
    """An incarnation that exists.

    `started` says that its process runs; `silent_for` is how many seconds ago it last answered
    (0 while it answers, before the first time, and where nobody asks); `answered` that it has
    answered whoever observes it; `warm` that it takes directives while it runs; `refusal` is its
    answer to the newest directive, where it cannot use it.
    """

    worker: str
    incarnation: int
    uid: str
    started: bool = True
    silent_for: float = 0.0
    warm: bool = True
    refusal: str = ""
    answered: bool = True


@dataclass(frozen=True)
class Observation:
    """Level, not edge: everything that is there, however often it was told before.

    `present` lists every incarnation that exists, so one that the journal has seen and that is
    missing is gone; `gone` gives the causes that are known. `events` may repeat old ones.
    """

    experiment: PopulationExperiment
    present: tuple[PresentWorker, ...] = ()
    gone: tuple[WorkerGone, ...] = ()
    events: tuple[WorkerEvent, ...] = ()


def news(state: State, observation: Observation) -> tuple[Observed, ...]:
    """The part of an observation that the state does not know, in a fixed order.

    The spec first, then workers, then their events by worker and cursor, then losses: what a
    worker said before it died is heard before it is buried.
    """
    found: list[Observed] = []
    if observation.experiment != state.experiment:
        found.append(SpecObserved(experiment=observation.experiment))
    found.extend(_seen(state, observation.present))
    events = _fresh(state, observation.events)
    taken = _batch(events)
    found.extend(events[:taken])
    if len(events) <= taken:
        found.extend(_gone(state, observation))
    if state.phase.ended or any(not isinstance(event, Forgotten) for event in found):
        return tuple(found)
    return ()  # Confirmed deletions alone are worth no write: they ride along with the next one.


def _current(state: State, worker: str, incarnation: int) -> Worker | None:
    known = state.workers.get(worker)
    return known if known and known.open and known.incarnation == incarnation else None


def _seen(state: State, present: Iterable[PresentWorker]) -> list[Observed]:
    found: list[Observed] = []
    for it in sorted(present, key=lambda p: (p.worker, p.incarnation)):
        known = _current(state, it.worker, it.incarnation)
        if known is None:
            continue
        before = (known.uid, known.started, known.warm)
        # Before it has answered, what it can is what the journal says.
        now = (it.uid, known.started or it.started, it.warm if it.answered else known.warm)
        if before != now:
            found.append(
                WorkerSeen(
                    worker=it.worker,
                    incarnation=it.incarnation,
                    uid=it.uid,
                    started=now[1],
                    warm=now[2],
                )
            )
    return found


def _fresh(state: State, events: Iterable[WorkerEvent]) -> list[WorkerEvent]:
    fresh = {}
    for event in events:
        known = _current(state, event.worker, event.incarnation)
        if known is None or event.cursor <= known.cursor:
            continue
        if isinstance(event, Troubled) and event.reason == known.trouble:
            continue
        fresh[event.worker, event.cursor] = event
    return [fresh[at] for at in sorted(fresh)]


def _batch(events: Sequence[WorkerEvent]) -> int:
    """How many of the events go into one entry."""
    size = 0
    for count, event in enumerate(events[:BATCH]):
        size += len(event.model_dump_json()) if len(events) > 1 else 0
        if count and size > BATCH_BYTES:
            return count
    return min(len(events), BATCH)


def _gone(state: State, observation: Observation) -> list[Observed]:
    told = {(e.worker, e.incarnation): e for e in observation.gone}
    present = {(p.worker, p.incarnation): p for p in observation.present}
    others_answer = any(
        p.started and p.answered and p.silent_for < SILENCE for p in observation.present
    )
    found: list[Observed] = []
    for name in sorted(state.workers):
        known = state.workers[name]
        at = (name, known.incarnation)
        if not known.open:
            continue
        if at in told:
            found.append(told[at])
        elif at in present:
            if refusal := present[at].refusal:
                said = f"it refuses its directive: {refusal}"
                found.append(_lost(known, Cause.REFUSED, said))
            elif others_answer and present[at].silent_for >= SILENCE:
                found.append(_lost(known, Cause.UNREACHABLE, "it does not answer; others do"))
        elif known.uid:
            found.append(_lost(known, Cause.VANISHED, "it does not exist any more"))
    return found


def _lost(worker: Worker, cause: Cause, detail: str) -> WorkerGone:
    return WorkerGone(
        worker=worker.name, incarnation=worker.incarnation, cause=cause, detail=detail
    )
