"""What the world should be: a pure view of the state, compared with what is there by the fleet."""

from __future__ import annotations

from dataclasses import dataclass

from population_operator.core import retention
from population_operator.model.decision import Directive
from population_operator.model.state import State, Worker


@dataclass(frozen=True)
class DesiredWorker:
    """An incarnation that should exist.

    `uid` is empty until it was seen: only then may it be created. `directive` is the newest one,
    with the deletions that ride along; `cursor` counts the events that are in the journal.
    """

    worker: str
    incarnation: int
    uid: str
    directive: Directive | None
    cursor: int


@dataclass(frozen=True)
class Desired:
    """All incarnations that should exist; whatever else exists of this experiment should not.

    `seq` is the state it was derived from: an incarnation that is newer than that is none of ours
    to delete.
    """

    seq: int
    workers: tuple[DesiredWorker, ...] = ()


def desired(state: State) -> Desired:
    """Workers with their directives, and who deletes what."""
    open_workers = sorted(
        (w for w in state.workers.values() if w.open), key=lambda w: (len(w.name), w.name)
    )
    # One that has nothing but metrics is told nothing: its list would only grow.
    able = (w.name for w in open_workers if w.started and w.warm and w.directive)
    janitor = next(able, None)
    return Desired(
        seq=state.seq,
        workers=tuple(_worker(state, w, janitor == w.name) for w in open_workers),
    )


def _worker(state: State, worker: Worker, cleans: bool) -> DesiredWorker:
    directive = worker.directive
    if directive is not None and cleans:
        directive = directive.model_copy(update={"forget": retention.pending(state)})
    return DesiredWorker(
        worker=worker.name,
        incarnation=worker.incarnation,
        uid=worker.uid,
        directive=directive,
        cursor=worker.cursor,
    )
