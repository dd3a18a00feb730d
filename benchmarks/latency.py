"""How long a worker waits: from its report to the next directive applied.

Eight local triangle workers train asynchronously, each interval 50 to 200 ms, through the embedded
runtime: real processes, TLS over loopback, a journal that is fsynced. Both sides write down times
of the same clock; what is between two of them is a stage. Bounds: p50 <= 10 ms, p99 <= 100 ms,
from the report's publication (its checkpoint is safe by then) to the moment when the training loop
enters the next interval with the new directive's hyperparameters applied.

The commit of the checkpoint comes before that, in the worker's own `report()` call; it is shown as
the first stage, and depends on the disk (five fsyncs). Nothing else should run on the machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks import harness
from population_operator.adapters.local import FileJournal, RunFolder
from population_operator.adapters.local import fleet as local_fleet
from population_operator.adapters.worker.link import WorkerLink
from population_operator.api import PopulationExperiment
from population_operator.app import embedded
from population_operator.app.embedded import EmbeddedRun, Program
from population_operator.core.history import History
from population_operator.core.observation import Observation
from population_operator.model.decision import Directive
from population_operator.model.entry import Entry, Issued, Reported
from population_operator.model.state import State
from population_operator.ports import Clock, Fleet, Journal, Views
from population_operator.reconcile import Decide, Reconciler, in_thread

REPORTS, QUICK_REPORTS = 1200, 240
WORKERS, INTERVAL = 8, 20
MEDIAN_MS, TAIL_MS = 10.0, 100.0
ROOT = Path(__file__).resolve().parents[1]

STAGES = (
    ("call", "report", "worker: save and commit the checkpoint"),
    ("report", "received", "report published -> the controller has it"),
    ("received", "decide", "until the loop's next pass decides"),
    ("decide", "decided", "decide"),
    ("decided", "appended", "append to the journal"),
    ("appended", "send", "until the directive is being sent"),
    ("send", "put", "directive sent -> worker has it"),
    ("put", "take", "training thread woken"),
    ("take", "enter", "load and apply, next interval entered"),
)
"""From, to, and what it is."""


@dataclass
class Times:
    """What the controller noted: by report (worker, directive) or by directive (worker, id).

    `answered` leads from a report to the number of the entry that answers it. `busy` is the
    controller's processor time in seconds.
    """

    received: dict[tuple[str, int], float] = field(default_factory=dict)
    decide: dict[int, float] = field(default_factory=dict)
    decided: dict[int, float] = field(default_factory=dict)
    appended: dict[int, float] = field(default_factory=dict)
    send: dict[tuple[str, int], float] = field(default_factory=dict)
    answered: dict[tuple[str, int], int] = field(default_factory=dict)
    entries: int = 0
    reports: int = 0
    busy: float = 0.0


def watched_link(times: Times) -> type[WorkerLink]:
    """The connection to a worker, with a stopwatch."""

    class Link(WorkerLink):
        async def _wait(self) -> Any:
            answer = await super()._wait()
            now = time.monotonic()
            for event in answer.events:
                if event["kind"] == "report":
                    times.received[self.worker, event["report"]["directive"]] = now
            return answer

        async def _put(self, directive: Directive) -> None:
            times.send.setdefault((self.worker, directive.id), time.monotonic())
            await super()._put(directive)

    return Link


def watched_journal(times: Times, kind: type[Any]) -> type[Any]:
    """A kind of journal, with a stopwatch."""

    class Watched(kind):  # type: ignore[misc]
        async def append(self, key: str, entry: Entry) -> Entry:
            entry = await super().append(key, entry)
            times.appended[entry.seq] = time.monotonic()
            times.entries += 1
            issued = {e.worker for e in entry.decided if isinstance(e, Issued)}
            for event in entry.observed:
                times.reports += isinstance(event, Reported)
                if isinstance(event, Reported) and event.worker in issued:
                    times.answered[event.worker, event.report.directive] = entry.seq
            return entry

    return Watched


def watched_decide(times: Times) -> Decide:
    """`decide` off the event loop, with a stopwatch."""

    async def decide(state: State, observation: Observation, now: float) -> Entry | None:
        began = time.monotonic()
        entry = await in_thread(state, observation, now)
        if entry is not None:
            times.decide[entry.seq], times.decided[entry.seq] = began, time.monotonic()
        return entry

    return decide


def watched(times: Times) -> ExitStack:
    """The embedded runtime, with a stopwatch on its seams."""

    def reconciler(journal: Journal, fleet: Fleet, views: Views, clock: Clock) -> Reconciler:
        return Reconciler(journal, fleet, views, clock, decide=watched_decide(times))

    stack = ExitStack()
    stack.enter_context(patch.object(local_fleet, "WorkerLink", watched_link(times)))
    stack.enter_context(patch.object(embedded, "FileJournal", watched_journal(times, FileJournal)))
    stack.enter_context(patch.object(embedded, "Reconciler", reconciler))
    return stack


def manifest(reports: int) -> PopulationExperiment:
    # A copy skips what the loser would have trained up to there: some spare intervals.
    steps = INTERVAL * round(1.25 * reports / WORKERS)
    return PopulationExperiment.model_validate(
        {
            "apiVersion": "population-operator.io/v1alpha1",
            "kind": "PopulationExperiment",
            "metadata": {"name": "latency"},
            "spec": {
                "objective": {"metric": "accuracy", "goal": "maximize"},
                "parameters": [{"name": "lr", "float": {"min": 1e-4, "max": 0.02, "scale": "log"}}],
                "algorithm": {"pbt": {}},
                "population": {"size": WORKERS, "parallelism": WORKERS, "seed": 1},
                "schedule": {"interval": INTERVAL, "maxSteps": steps, "synchronous": False},
                "worker": {"local": {"command": ["unused"]}},
            },
        }
    )


async def train(
    folder: Path, events: Path, reports: int, times: Times, console: Console
) -> tuple[State, History]:
    program = Program(
        command=(sys.executable, "-m", "benchmarks.latency_worker"),
        env={"LATENCY_EVENTS": str(events), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
    with harness.progress(console) as bar, watched(times):
        line = bar.add_task("reports", total=reports)
        run = EmbeddedRun(manifest(reports), RunFolder(folder))
        try:
            return await run.run(
                program, lambda state, _: bar.update(line, completed=min(state.reports, reports))
            )
        finally:
            run.close()


Moments = dict[str, float]


def chains(events: Path, times: Times) -> Iterator[tuple[str, Moments]]:
    """For each answered report: when what happened, and what kind of directive came of it."""
    for path in sorted(events.glob("*.json")):
        worker = path.stem.split("-")[0]
        told: dict[str, dict[int, float]] = {}
        kinds: dict[int, str] = {}
        for what, at, about in json.loads(path.read_text()):
            told.setdefault(what, {}).setdefault(about["directive"], at)
            if what == "enter":
                kinds[about["directive"]] = about["kind"]
        for directive, called in told.get("call", {}).items():
            answer = times.answered.get((worker, directive))
            if answer is None or answer not in kinds or answer not in told["put"]:
                continue
            yield (
                kinds[answer],
                {
                    "call": called,
                    "report": told["report"][directive],
                    "received": times.received[worker, directive],
                    "decide": times.decide[answer],
                    "decided": times.decided[answer],
                    "appended": times.appended[answer],
                    "send": times.send[worker, answer],
                    "put": told["put"][answer],
                    "take": told["take"][answer],
                    "enter": told["enter"][answer],
                },
            )


def milliseconds(chain: Moments, begin: str, end: str) -> float:
    return 1e3 * (chain[end] - chain[begin])


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_REPORTS} reports")
    parser.add_argument(
        "--reports", type=harness.positive, help=f"how many, about (default: {REPORTS})"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="where journal and checkpoints go: its disk is measured too (default: --output)",
    )
    given = parser.parse_args(argv)
    reports = given.reports or (QUICK_REPORTS if given.quick else REPORTS)
    console, outcome, times = Console(), harness.Outcome("latency"), Times()
    place = given.folder or given.output
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="latency-", dir=place) as temporary:
        events = Path(temporary).resolve() / "events"
        events.mkdir()
        folder = Path(temporary).resolve() / "run"
        began = time.process_time()
        state, _ = asyncio.run(train(folder, events, reports, times, console))
        times.busy = time.process_time() - began
        found = list(chains(events, times))
    if not state.phase.ended or not found:
        console.print(f"[red]no figures: {state.phase}: {state.phase_reason} {state.phase_message}")
        return 1
    report(found, times, outcome, console, MEDIAN_MS, TAIL_MS)
    return outcome.conclude(console, given.output, timed=True)


def report(
    found: list[tuple[str, Moments]],
    times: Times,
    outcome: harness.Outcome,
    console: Console,
    median: float,
    tail: float,
) -> None:
    """Figures with their bounds in ms, and the table of where the time goes."""
    waits = [milliseconds(chain, "report", "enter") for _, chain in found]
    calls = [milliseconds(chain, "call", "enter") for _, chain in found]
    outcome.measure(
        "report -> directive applied, p50", harness.quantile(waits, 0.5), "ms", at_most=median
    )
    outcome.measure(
        "report -> directive applied, p99", harness.quantile(waits, 0.99), "ms", at_most=tail
    )
    outcome.measure(
        "the same with the checkpoint's commit, p50", harness.quantile(calls, 0.5), "ms"
    )
    outcome.measure(
        "the same with the checkpoint's commit, p99", harness.quantile(calls, 0.99), "ms"
    )
    outcome.measure("reports measured", len(found))
    outcome.measure("reports per journal entry", times.reports / times.entries)
    outcome.measure(
        "controller's processor time per report", 1e3 * times.busy / times.reports, "ms"
    )

    table = Table(title="where the time goes, ms", title_justify="left", title_style="bold")
    for column in ("stage", "p50", "p90", "p99", "max", "mean"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    stages = {}
    for begin, end, what in STAGES:
        values = [milliseconds(chain, begin, end) for _, chain in found]
        row = {
            **{f"p{round(100 * q)}": harness.quantile(values, q) for q in (0.5, 0.9, 0.99)},
            "max": max(values),
            "mean": sum(values) / len(values),
        }
        stages[what] = row
        table.add_row(what, *(f"{value:.2f}" for value in row.values()))
    for kind in sorted({kind for kind, _ in found}):
        some = [milliseconds(chain, "report", "enter") for k, chain in found if k == kind]
        stages[f"whole: {kind}"] = {"p50": harness.quantile(some, 0.5), "count": len(some)}
        table.add_row(
            f"[dim]whole, {len(some)} x {kind}[/]",
            *(f"{harness.quantile(some, q):.2f}" for q in (0.5, 0.9, 0.99, 1.0)),
            f"{sum(some) / len(some):.2f}",
        )
    console.print(table)
    outcome.details = {"stages_ms": stages, "workers": WORKERS}


if __name__ == "__main__":
    sys.exit(main())
