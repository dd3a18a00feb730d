"""One simulated run of a problem, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from population_operator.adapters.simulation import Program
from population_operator.api import PopulationExperiment
from population_operator.app.simulate import simulate
from population_operator.model.entry import Entry, Reported

PBT = {
    "pbt": {
        "exploit": {"truncation": {"fraction": 0.25}},
        "explore": {"perturb": {"factors": [0.8, 1.2]}, "resample": {"probability": 0.25}},
    }
}
RANDOM: dict[str, Any] = {"random": {}}


@dataclass(frozen=True)
class Run:
    """`best` is the best score at any report, `curve` the best so far at the end of each interval;
    `seconds` is how long it took in virtual time, starts of workers excluded.
    """

    best: float
    curve: tuple[float, ...]
    seconds: float
    exploits: int


def experiment(
    *,
    parameters: Sequence[dict[str, Any]],
    algorithm: dict[str, Any],
    size: int,
    seed: int,
    interval: int,
    steps: int,
    synchronous: bool = True,
    initial: Sequence[dict[str, float]] = (),
) -> PopulationExperiment:
    """A manifest as a user would write it, read by the API's own models."""
    return PopulationExperiment.model_validate(
        {
            "apiVersion": "population-operator.io/v1alpha1",
            "kind": "PopulationExperiment",
            "metadata": {"name": "quality", "uid": f"seed-{seed}"},
            "spec": {
                "objective": {"metric": "score", "goal": "maximize"},
                "parameters": list(parameters),
                "algorithm": algorithm,
                "initial": list(initial),
                "population": {"size": size, "seed": seed},
                "schedule": {"interval": interval, "maxSteps": steps, "synchronous": synchronous},
                "worker": {"local": {"command": ["true"]}},
            },
        }
    )


def run(spec: PopulationExperiment, program: Program, **fleet: object) -> Run:
    """Run it in virtual time; further arguments are those of `SimulatedFleet`."""
    start_seconds = 1.0
    state, entries = simulate(spec, program, start_seconds=start_seconds, **fleet)
    if state.best is None:
        raise RuntimeError(f"nothing was reported: {state.phase_reason}: {state.phase_message}")
    return Run(
        best=state.best.score,
        curve=_best_so_far(entries, spec),
        seconds=state.ended_at - state.started_at - start_seconds,
        exploits=state.exploits,
    )


def _best_so_far(entries: Sequence[Entry], spec: PopulationExperiment) -> tuple[float, ...]:
    schedule = spec.spec.schedule
    best = [float("-inf")] * (schedule.max_steps // schedule.interval)
    for entry in entries:
        for event in entry.observed:
            if isinstance(event, Reported):
                index = event.report.step // schedule.interval - 1
                best[index] = max(best[index], event.report.score)
    for index in range(1, len(best)):
        best[index] = max(best[index], best[index - 1])
    return tuple(best)
