"""One run of `population run` on examples/ppo, and what is kept of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.core.history import History, history

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/ppo"
STEPS, INTERVALS, SIZE = 1_000_000, 20, 4
"""The paper's: steps of each member, intervals of 50 000 steps, members."""
SMALLEST, LARGEST = 1 / 50, 6 / 5
"""The paper's batches, 1000 to 60 000 steps, in intervals."""
GRACE = 30.0
"""Seconds in which an interrupted run puts its workers away."""

ALGORITHMS: dict[str, dict[str, Any]] = {
    "random": {"random": {}},
    "pbt": {"pbt": {"exploit": {"truncation": {"fraction": 0.25}}}},
    "pb2": {"pb2": {}},
}
"""PB2's own default of the fraction is 0.25 as well: of four members, the worst copies the best."""


@dataclass(frozen=True)
class Trial:
    """One run: the seed decides the starts, so they are the same for every algorithm."""

    environment: str
    algorithm: str
    seed: int
    scale: float

    @property
    def interval(self) -> int:
        return round(STEPS * self.scale / INTERVALS)

    def manifest(self) -> dict[str, Any]:
        """The experiment as a user would write it."""
        batch = {"min": round(self.interval * SMALLEST), "max": round(self.interval * LARGEST)}
        program = [str(EXAMPLE / "train.py"), "--environment", self.environment]
        return {
            "apiVersion": "population-operator.io/v1alpha1",
            "kind": "PopulationExperiment",
            "metadata": {"name": "rl"},
            "spec": {
                "objective": {"metric": "mean_return", "goal": "maximize"},
                "parameters": [
                    {"name": "lr", "float": {"min": 1e-5, "max": 1e-3, "scale": "log"}},
                    {"name": "clip", "float": {"min": 0.1, "max": 0.5}},
                    {"name": "lambda", "float": {"min": 0.9, "max": 1.0}},
                    {"name": "batch_size", "integer": batch},
                ],
                "algorithm": ALGORITHMS[self.algorithm],
                "population": {"size": SIZE, "parallelism": 1, "seed": self.seed},
                "schedule": {
                    "interval": self.interval,
                    "maxSteps": self.interval * INTERVALS,
                    "synchronous": True,
                },
                "worker": {
                    "local": {
                        "command": ["python", *program],
                        "env": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                    }
                },
            },
        }


def run(trial: Trial, folder: Path, deadline: float) -> dict[str, Any] | None:
    """Run it as a user does; none where the deadline (monotonic seconds) came first.

    Raises RuntimeError where it does not complete.
    """
    manifest = folder / "experiment.yaml"
    manifest.write_text(yaml.safe_dump(trial.manifest()))
    program = Path(sys.executable).with_name("population")
    began = time.monotonic()
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [program, "run", manifest, "--output", folder / "out"], stdout=log, stderr=log
        )
        try:
            process.wait(max(deadline - began, 0))
        except subprocess.TimeoutExpired:
            _end(process)
            return None
        if process.returncode != 0:
            raise RuntimeError(f"{trial}: {(folder / 'log').read_text()[-2000:]}")
    return {**vars(trial), "seconds": time.monotonic() - began, **_found(trial, folder / "out")}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a run and its workers. Not by SIGINT, which a shell's background job ignores."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers end with it
        process.wait()


def _found(trial: Trial, folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text())
    last = [member["score"] for member in result["members"]]
    decisions = result["decisions"]
    return {
        "final": max(score for score in last if isinstance(score, float) and math.isfinite(score)),
        "best": result["best"]["score"],
        "best_step": result["best"]["step"],
        "evaluation": _evaluate(trial.environment, folder / result["best"]["checkpoint"]),
        "curve": best_of_each_interval(trial, history(read(RunFolder(folder).journal))),
        "exploits": sum(decision["kind"] == "exploit" for decision in decisions),
        "schedule": result["schedule"],
    }


def _evaluate(environment: str, checkpoint: Path) -> float:
    """The mean return of fresh episodes, by the checkpoint that the run calls its best."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        returns = import_module("evaluate").returns
    finally:
        sys.path.remove(str(EXAMPLE))
    return fmean(returns(checkpoint, environment, episodes=20, seed=1_000_000))


def best_of_each_interval(trial: Trial, told: History) -> list[float]:
    """The score of the best member at the end of each interval."""
    curve = [-math.inf] * INTERVALS
    for accepted in told.reports:
        index = min(accepted.report.step // trial.interval, INTERVALS) - 1
        if math.isfinite(accepted.report.score):
            curve[index] = max(curve[index], accepted.report.score)
    for index in range(1, INTERVALS):
        if curve[index] == -math.inf:  # every batch ended beyond the next boundary
            curve[index] = curve[index - 1]
    return curve
