"""What the leader counts while it works; `server.py` shows it, beside what can simply be read.

Labels are few and fixed: nothing here grows with the number of experiments, members or steps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from population_operator.model.entry import (
    Cause,
    Decided,
    Entry,
    MemberFailed,
    Phase,
    PhaseChanged,
    Reported,
    RestoreFailed,
    SpecObserved,
    WorkerGone,
)
from population_operator.model.state import State
from population_operator.ports import Journal

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BEAT = 0.5
"""Seconds between two looks at how late the event loop is."""


class Metrics:
    """Counters and histograms of one leader, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"population_operator_{name}", text, labels, registry=self.registry)

        def seconds(name: str, text: str) -> Histogram:
            name = f"population_operator_{name}_seconds"
            return Histogram(name, text, buckets=SECONDS, registry=self.registry)

        self.reconcile = seconds("reconcile", "How long a pass of the loop took.")
        self.append = seconds("journal_append", "How long an entry took to be durable.")
        self.lag = seconds("event_loop_lag", "How late the event loop came to a timer.")
        self.decisions = counter("decisions", "Decisions journaled.", "algorithm", "kind")
        self.reports = counter("reports", "Reports taken in.")
        self.ended = counter("experiments_ended", "Experiments that ended.", "phase")
        self.gone = counter("workers_gone", "Incarnations that are over, by cause.", "cause")
        self.charged = counter("member_failures", "Failures charged to members.", "cause")
        self.bad = counter("restore_failures", "Checkpoints that could not be restored.")
        self.unwritten = counter("journal_append_failures", "Entries not appended.", "reason")
        self._from_zero()

    def _from_zero(self) -> None:
        """A rate sees a first event only where a zero was there before it."""
        for phase in (Phase.COMPLETE, Phase.FAILED):
            self.ended.labels(phase)
        for cause in Cause:
            self.gone.labels(cause)
            if cause.charged:
                self.charged.labels(cause)

    def appended(self, entry: Entry, algorithm: str) -> None:
        """Count what a new entry says."""
        for event in (*entry.observed, *entry.decided):
            match event:
                case Decided():
                    self.decisions.labels(algorithm, event.decision.kind).inc()
                case Reported():
                    self.reports.inc()
                case RestoreFailed():
                    self.bad.inc()
                case WorkerGone():
                    self.gone.labels(event.cause).inc()
                case MemberFailed():
                    self.charged.labels(event.cause).inc()
                case PhaseChanged() if event.phase.ended:
                    self.ended.labels(event.phase).inc()

    async def beat(self) -> None:
        """Look at the event loop's delay until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT
            await asyncio.sleep(BEAT)
            self.lag.observe(max(loop.time() - due, 0.0))


@dataclass
class MeasuredJournal:
    """A journal whose appends are counted and timed; `state_of` gives an experiment's fold."""

    journal: Journal
    metrics: Metrics
    state_of: Callable[[str], State | None]

    async def load(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        return await self.journal.load(key, after)

    async def append(self, key: str, entry: Entry) -> Entry:
        began = time.perf_counter()
        try:
            written = await self.journal.append(key, entry)
        except Exception as error:
            self.metrics.unwritten.labels(type(error).__name__.removesuffix("Error")).inc()
            raise
        self.metrics.append.observe(time.perf_counter() - began)
        self.metrics.appended(written, self._algorithm(key, written))
        return written

    def _algorithm(self, key: str, entry: Entry) -> str:
        for event in entry.observed:
            if isinstance(event, SpecObserved):
                return event.experiment.spec.algorithm.name
        state = self.state_of(key)
        return state.spec.spec.algorithm.name if state and state.experiment else ""


def workers_by_state(states: list[State]) -> dict[str, int]:
    """How many workers start, train, or have nothing to do, over all experiments."""
    count = {"starting": 0, "training": 0, "idle": 0}
    for worker in (worker for state in states for worker in state.workers.values()):
        if worker.open:
            training = "training" if worker.member else "idle"
            count[training if worker.started else "starting"] += 1
    return count
