"""What a decision costs, against the size of the population, and what a restart costs.

Populations of 8 to 1000 train a problem that costs nothing, in virtual time: what is measured is
the core. Synchronous: a whole interval is answered at once. Asynchronous: workers of unequal speed
report one by one. Times are processor time of this process, so that others on the machine disturb
little.

  decide   all calls of `decide`, per decision, those that find nothing to do included
  act      `fold` and `desired` for what was decided, per decision
  journal  bytes of JSON per decision
  restart  decisions (and entries) per second read from JSON and folded: what a new operator does
           first

Bound: the cost of a decision (decide + act) grows no faster than the population. The exponent b of
cost ~ size^b is fitted over the larger half of the sizes, where constants hide nothing; 1.1 leaves
room for noise and for the N log N of a sort.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks import harness
from population_operator.api import PopulationExperiment
from population_operator.app.simulate import Simulation
from population_operator.core.decide import decide
from population_operator.core.desired import desired
from population_operator.core.fold import fold
from population_operator.core.observation import Observation
from population_operator.model.entry import Decided, Entry, Phase
from population_operator.model.space import Hyperparameters
from population_operator.model.state import State

T = TypeVar("T")

SIZES = (8, 16, 32, 64, 125, 250, 500, 1000)
QUICK_SIZES = (8, 32, 125, 500)
DECISIONS, QUICK_DECISIONS = 1000, 400
EXPONENT = 1.1
INTERVAL = 10


@dataclass(frozen=True)
class Climb:
    """The score rises with the learning rate; training takes no time."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> float:
        return 0.0

    def train(
        self, weights: float, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[float, float]:
        moved = weights + float(hyperparameters["lr"]) * (until - step) + seed % 1000 / 1e4
        return moved, moved


@dataclass
class Cost:
    """Sums over the measured part of a run."""

    decisions: int = 0
    entries: int = 0
    decided: int = 0
    """Decisions in the whole journal, the warm-up's included."""
    decide: float = 0.0
    act: float = 0.0
    written: int = 0
    read: float = 0.0
    folded: float = 0.0

    @property
    def per_decision(self) -> float:
        """Milliseconds of deciding and acting."""
        return 1e3 * (self.decide + self.act) / self.decisions


def timed(function: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    found = function()
    return found, time.process_time() - began


def manifest(size: int, synchronous: bool, intervals: int) -> PopulationExperiment:
    return PopulationExperiment.model_validate(
        {
            "apiVersion": "population-operator.io/v1alpha1",
            "kind": "PopulationExperiment",
            "metadata": {"name": "decide", "uid": "decide"},
            "spec": {
                "objective": {"metric": "score", "goal": "maximize"},
                "parameters": [
                    {"name": "lr", "float": {"min": 1e-4, "max": 1.0, "scale": "log"}},
                    {"name": "dropout", "float": {"min": 0.0, "max": 0.7}},
                    {"name": "batch_size", "integer": {"min": 16, "max": 512, "scale": "log"}},
                ],
                "algorithm": {"pbt": {}},
                "population": {"size": size, "seed": 1},
                "schedule": {
                    "interval": INTERVAL,
                    "maxSteps": INTERVAL * intervals,
                    "synchronous": synchronous,
                },
                "worker": {"local": {"command": ["true"]}},
            },
        }
    )


class Stopwatch:
    """The simulation's loop, with times taken once every member has its second decision."""

    def __init__(self, size: int, synchronous: bool, decisions: int) -> None:
        intervals = 4 + math.ceil(decisions / size)
        pace = {f"w{i}": 0.01 * (1 + 0.37 * i / size) for i in range(size)}
        spec = manifest(size, synchronous, intervals)
        self.cost = Cost()
        self._warm_up = 2 * size
        self._decisions = decisions
        self._simulation = Simulation.of(
            spec, Climb(), seconds_per_step=0.01 if synchronous else pace
        )
        self._simulation.reconciler.decide = self._decide

    async def run(self) -> Cost:
        """Until enough was decided; then read and fold the whole journal."""
        while self.cost.decisions < self._decisions and await self._simulation.step():
            pass
        lines = [e.model_dump_json().encode() for e in await self._simulation.entries()]
        cost = self.cost
        entries, cost.read = timed(lambda: [Entry.model_validate_json(line) for line in lines])
        state, cost.folded = timed(lambda: _fold_all(entries))
        cost.decided = state.decisions
        cost.entries, cost.written = len(lines), sum(len(line) + 1 for line in lines)
        return cost

    async def _decide(self, state: State, observation: Observation, now: float) -> Entry | None:
        entry, seconds = timed(lambda: decide(state, observation, now))
        if state.decisions < self._warm_up or state.phase is not Phase.RUNNING:
            return entry
        self.cost.decide += seconds
        if entry is not None:
            decided = entry
            after, folding = timed(lambda: fold(state, decided))
            _, desiring = timed(lambda: desired(after))
            self.cost.act += folding + desiring
            self.cost.decisions += sum(isinstance(e, Decided) for e in decided.decided)
        return entry


def _fold_all(entries: list[Entry]) -> State:
    state = State()
    for entry in entries:
        state = fold(state, entry)
    return state


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"sizes {QUICK_SIZES}, {QUICK_DECISIONS} decisions")
    parser.add_argument(
        "--sizes", type=harness.positive, nargs="+", help=f"populations (default: {SIZES})"
    )
    parser.add_argument(
        "--decisions", type=harness.positive, help=f"measured, each (default: {DECISIONS})"
    )
    given = parser.parse_args(argv)
    sizes = sorted(set(given.sizes or (QUICK_SIZES if given.quick else SIZES)))
    decisions = given.decisions or (QUICK_DECISIONS if given.quick else DECISIONS)
    console, outcome = Console(), harness.Outcome("decide")
    with harness.progress(console) as bar:
        line = bar.add_task("decide", total=2 * len(sizes))
        for mode in ("synchronous", "asynchronous"):
            costs = {}
            for size in sizes:
                watch = Stopwatch(size, mode == "synchronous", decisions)
                costs[size] = asyncio.run(watch.run())
                bar.advance(line)
            report(mode, costs, outcome, console)
    return outcome.conclude(console, given.output)


def report(mode: str, costs: dict[int, Cost], outcome: harness.Outcome, console: Console) -> None:
    table = Table(title=f"{mode}, per decision", title_justify="left", title_style="bold")
    table.add_column("population", justify="right")
    for column in ("decide, ms", "act, ms", "journal, bytes", "restart: decisions/s", "entries/s"):
        table.add_column(column, justify="right")
    rows = {}
    for size, cost in costs.items():
        row = {
            "decide_ms": 1e3 * cost.decide / cost.decisions,
            "act_ms": 1e3 * cost.act / cost.decisions,
            "journal_bytes": cost.written / cost.decided,
            "restart_decisions_per_s": cost.decided / (cost.read + cost.folded),
            "restart_entries_per_s": cost.entries / (cost.read + cost.folded),
        }
        rows[size] = row
        table.add_row(str(size), *(harness.number(value) for value in row.values()))
    console.print(table)
    larger = list(costs)[len(costs) // 2 - 1 :] if len(costs) > 2 else list(costs)
    if len(larger) > 1:
        b = harness.exponent(larger, [costs[size].per_decision for size in larger])
        name = f"{mode}: growth of cost, exponent of {larger[0]} to {larger[-1]}"
        outcome.measure(name, b, at_most=EXPONENT)
    for size in (min(costs), max(costs)):
        outcome.measure(f"{mode}: a decision among {size}", costs[size].per_decision, "ms")
    largest = rows[max(costs)]
    outcome.measure(f"{mode}: journal per decision", largest["journal_bytes"], "bytes")
    restart = largest["restart_decisions_per_s"]
    outcome.measure(f"{mode}: restart among {max(costs)}", restart, "decisions/s")
    outcome.details[mode] = rows


if __name__ == "__main__":
    sys.exit(main())
