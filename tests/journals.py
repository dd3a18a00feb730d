"""Journals of real runs, made in virtual time: with exploits, crashes, and scores that are NaN."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from population_operator.api import PopulationExperiment
from population_operator.app.simulate import Simulation
from population_operator.model.entry import Cause, Entry, Reported
from population_operator.model.space import Hyperparameters
from population_operator.model.state import State
from tests.builders import ExperimentBuilder, a_float, an_experiment

Trace = tuple[tuple[int, int, float], ...]


@dataclass(frozen=True)
class Remembers:
    """Weights that are their own biography: (from step, until, lr) of each interval.

    What a lineage says can be checked against what was really trained. The score is best at a
    learning rate of 0.1, gains by training, and is NaN above `nan_above`.
    """

    nan_above: float = math.inf

    def start(self, hyperparameters: Hyperparameters, seed: int) -> Trace:
        return ()

    def train(
        self, weights: Trace, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[Trace, float]:
        rate = float(next(iter(hyperparameters.values())))
        trace = (*weights, (step, until, rate))
        score = sum((b - a) / 1000 * math.exp(-(math.log10(x / 0.1) ** 2)) for a, b, x in trace)
        return trace, score if rate <= self.nan_above else math.nan


@dataclass(frozen=True)
class Run:
    """What a run leaves, and the weights that each checkpoint really holds."""

    state: State
    entries: tuple[Entry, ...]
    simulation: Simulation

    def save(self, folder: Path) -> Path:
        """A run's folder as `population run` would leave it, journal only."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = (entry.model_dump_json() + "\n" for entry in self.entries)
        (folder / "journal.jsonl").write_text("".join(lines))
        return folder


Fault = Callable[[Simulation, int], None]


def a_run(
    experiment: PopulationExperiment | ExperimentBuilder,
    program: Remembers | None = None,
    fault: Fault | None = None,
    steps: int = 10_000,
) -> Run:
    """Run to the end, or for so many passes; `fault` is called before each of them."""
    if isinstance(experiment, ExperimentBuilder):
        experiment = experiment.build()

    async def run() -> Run:
        simulation = Simulation.of(experiment, program or Remembers(), as_text=True)
        for count in range(steps):
            if fault is not None:
                fault(simulation, count)
            if not await simulation.step():
                break
        return Run(simulation.state, await simulation.entries(), simulation)

    return asyncio.run(run())


def small() -> ExperimentBuilder:
    """Six members in turns on two workers, synchronous, eight intervals."""
    built = an_experiment().size(6, parallelism=2).steps(10, 80).truncation(0.34)
    return built.synchronous().parameters(a_float("lr", 1e-4, 1.0, log=True))


def crashing(every: int = 9, cause: Cause = Cause.EXITED) -> Fault:
    """A worker that is killed again and again."""

    def fault(simulation: Simulation, count: int) -> None:
        if count % every == every - 1:
            simulation.fleet.kill("w1", cause, detail="exit code 1: boom")

    return fault


def with_metrics(run: Run, **metrics: float) -> Run:
    """The run as if each report had brought these metrics, too."""

    def changed(entry: Entry) -> Entry:
        observed = tuple(
            event.model_copy(
                update={"report": event.report.model_copy(update={"metrics": metrics})}
            )
            if isinstance(event, Reported)
            else event
            for event in entry.observed
        )
        return entry.model_copy(update={"observed": observed})

    return Run(run.state, tuple(changed(entry) for entry in run.entries), run.simulation)
