"""What the leader counts: from entries, as they are appended."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from population_operator.app.operator.metrics import BEAT, MeasuredJournal, Metrics
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import (
    Cause,
    Decided,
    Entry,
    MemberFailed,
    Phase,
    PhaseChanged,
    SpecObserved,
    WorkerGone,
    WorkerOpened,
)
from population_operator.model.state import State
from population_operator.ports import ConflictError
from tests.builders import an_experiment

PREFIX = "population_operator_"


class Memory:
    """A journal that may refuse."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.refuses = refuses

    async def load(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        return ()

    async def append(self, key: str, entry: Entry) -> Entry:
        if self.refuses is not None:
            raise self.refuses
        return entry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(PREFIX + name, labels)


def decided(kind: DecisionKind) -> Decided:
    return Decided(decision=Decision(member="m0", count=1, kind=kind, hyperparameters={}))


ENTRY = Entry(
    seq=1,
    time=0.0,
    observed=(
        SpecObserved(experiment=an_experiment().build()),
        WorkerGone(worker="w0", incarnation=1, cause=Cause.OUT_OF_MEMORY),
    ),
    decided=(
        decided(DecisionKind.EXPLOIT),
        decided(DecisionKind.EXPLOIT),
        MemberFailed(member="m0", cause=Cause.OUT_OF_MEMORY, detail="", not_before=0.0),
        WorkerOpened(worker="w0", incarnation=2),
        PhaseChanged(phase=Phase.FAILED, reason="x"),
    ),
)


def test_an_appended_entry_is_counted() -> None:
    metrics = Metrics()
    asyncio.run(MeasuredJournal(Memory(), metrics, lambda _: None).append("a/b/c", ENTRY))
    found = metrics.registry
    assert value(found, "decisions_total", algorithm="pbt", kind="exploit") == 2
    assert value(found, "workers_gone_total", cause="OutOfMemory") == 1
    assert value(found, "member_failures_total", cause="OutOfMemory") == 1
    assert value(found, "experiments_ended_total", phase="Failed") == 1
    assert value(found, "journal_append_seconds_count") == 1


def test_the_algorithm_of_later_entries_is_the_states() -> None:
    metrics = Metrics()
    state = State(experiment=an_experiment().build())
    entry = Entry(seq=2, time=0.0, decided=(decided(DecisionKind.CONTINUE),))
    asyncio.run(MeasuredJournal(Memory(), metrics, lambda _: state).append("a/b/c", entry))
    assert value(metrics.registry, "decisions_total", algorithm="pbt", kind="continue") == 1


def test_what_was_refused_is_no_decision() -> None:
    metrics = Metrics()
    journal = MeasuredJournal(Memory(ConflictError("newer")), metrics, lambda _: None)
    with pytest.raises(ConflictError):
        asyncio.run(journal.append("a/b/c", ENTRY))
    assert value(metrics.registry, "journal_append_failures_total", reason="Conflict") == 1
    assert value(metrics.registry, "decisions_total", algorithm="pbt", kind="exploit") is None
    assert value(metrics.registry, "journal_append_seconds_count") == 0


def test_a_first_failure_raises_a_rate() -> None:
    # increase() of a series that begins at 1 is 0.
    assert value(Metrics().registry, "experiments_ended_total", phase="Failed") == 0
    assert value(Metrics().registry, "member_failures_total", cause="OutOfMemory") == 0


def test_a_blocked_event_loop_shows_as_lag() -> None:
    metrics = Metrics()

    async def blocked() -> None:
        beat = asyncio.create_task(metrics.beat())
        await asyncio.sleep(0)
        time.sleep(BEAT + 0.3)  # noqa: ASYNC251  That is the fault under test.
        while not value(metrics.registry, "event_loop_lag_seconds_count"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        beat.cancel()

    asyncio.run(asyncio.wait_for(blocked(), 5))
    assert (value(metrics.registry, "event_loop_lag_seconds_sum") or 0) > 0.25
