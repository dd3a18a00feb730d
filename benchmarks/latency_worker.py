"""The triangle worker of `latency.py`: it writes down when it did what.

`CLOCK_MONOTONIC` is one clock for all processes of a machine, so its times and the controller's
can be subtracted. The SDK is not changed, only watched: three methods of its mailbox are wrapped.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.quality.problems import TriangleLearningRate
from population_worker import Session
from population_worker.mailbox import Mailbox

Event = tuple[str, float, dict[str, Any]]
SHORTEST, LONGEST = 0.05, 0.2
"""Seconds an interval takes, drawn for each, so that workers do not march in step."""


def watch(events: list[Event]) -> None:
    """Note when a report is published, a directive arrives, and the training thread has it."""

    def before(name: str, told: Callable[[Any], dict[str, Any]]) -> None:
        method = getattr(Mailbox, name)

        def watched(self: Mailbox, given: Any, *args: Any, **more: Any) -> Any:
            events.append((name, time.monotonic(), told(given)))
            return method(self, given, *args, **more)

        setattr(Mailbox, name, watched)

    before("report", lambda report: {"directive": report.directive, "step": report.step})
    before("put", lambda directive: {"directive": directive.id})
    take = Mailbox.take

    def taken(self: Mailbox, after: int) -> Any:
        directive = take(self, after)
        events.append(("take", time.monotonic(), {"directive": directive and directive.id}))
        return directive

    Mailbox.take = taken  # type: ignore[method-assign]


def main() -> None:
    events: list[Event] = []
    watch(events)
    try:
        with Session() as session:
            train(session, events)
    finally:
        name = f"{os.environ['POPULATION_WORKER']}-{os.environ['POPULATION_INCARNATION']}.json"
        (Path(os.environ["LATENCY_EVENTS"]) / name).write_text(json.dumps(events))


def train(session: Session, events: list[Event]) -> None:
    problem = TriangleLearningRate()
    for member in session.members():
        weights = {"accuracy": 0.0}

        def save(folder: Path, weights: dict[str, float] = weights) -> None:
            (folder / "weights.json").write_text(json.dumps(weights))

        def load(folder: Path, kind: str, weights: dict[str, float] = weights) -> None:
            weights.update(json.loads((folder / "weights.json").read_text()))

        for interval in member.intervals(save=save, load=load):
            directive = interval.directive
            about = {"directive": directive.id, "kind": str(directive.kind)}
            events.append(("enter", time.monotonic(), about))
            weights["accuracy"], score = problem.train(
                weights["accuracy"],
                interval.hyperparameters,
                interval.step,
                interval.until,
                interval.seed,
            )
            time.sleep(random.uniform(SHORTEST, LONGEST))
            events.append(("call", time.monotonic(), {"directive": directive.id}))
            interval.report(interval.until, score)


if __name__ == "__main__":
    main()
