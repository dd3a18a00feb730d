"""The wall time to a target with two workers: ours against other people's runners.

Everybody trains the same model (`task.py`: a network with few hyperparameters, or with many, or a
kernel machine, whose loss is smooth) with the same rungs, 1, 3, 9 and 27 steps; a step is real
work. The clock begins with the first trial's first step, so that the start-up of a framework is no
part of it, and stops at the first step whose validation loss is at most the target; after the
task's limit a run counts as that long. Our ASHA, Ray's and Syne Tune's go through the same random
configurations in the same order, so a seed's luck is the same for them. Those with a model draw by
themselves: our ASHA with a Gaussian process, Ray's with Optuna's TPE, Syne Tune's BOHB, Optuna's
TPE and its Gaussian process. Our PBT and Ray's begin with the first 16 of the same configurations,
and change them after each step; where these have trained for 27 steps in vain, the next 16 follow.

The targets of `few` and `many` were chosen before any search ran, that of `smooth` after a first
one was too easy: `calibrate.py`.

Bound: the mean of ours is at most 0.7 of the nearest peer's; ours is ASHA on `few`, where random
search finds the target, PBT on `many`, and ASHA with the process on `smooth`, where a population's
weights are of no use with other hyperparameters. Each run is kept once it is over; `--resume` goes
on. Timings need the machine alone.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks import harness
from benchmarks.quality.environment import ROOT, interpreter
from benchmarks.quality.kept import Kept
from benchmarks.walltime.network import LOG
from benchmarks.walltime.task import ETA, POPULATION, STEPS, TASK, TASKS, Space, Task

START = 120.0
"""Seconds that a framework may take until the first step is over."""
SEEDS, QUICK_SEEDS = 8, 1
POINTS = 1000
OURS: Mapping[str, dict[str, Any]] = {
    "asha": {"asha": {"eta": ETA}},
    "asha-gp": {"asha": {"eta": ETA, "sampler": "gaussianProcess"}},
    "pbt": {"pbt": {"exploit": {"truncation": {"fraction": 0.25}}}},
}
PEERS = (
    "ray", "ray-tpe", "ray-pbt", "ray-pbt-3", "syne", "syne-bohb",
    "optuna", "optuna-sha", "optuna-gp",
)  # fmt: skip
NAMES = (*OURS, *PEERS)
BOUNDED = {"few": "asha", "many": "pbt", "smooth": "asha-gp"}
"""Which of ours the bound is for."""
BOUND = 0.7


@dataclass(frozen=True)
class Run:
    """`seconds` to the target (the limit where it was not reached) and what was done until then.

    `training` is the share of two workers' time that steps took, `trials` how many began, and a
    step took `step` seconds.
    """

    seconds: float
    reached: bool
    steps: int
    trials: int
    training: float
    step: float

    @classmethod
    def of(cls, lines: Sequence[dict[str, Any]], task: Task) -> Run:
        """From the log of all steps, target or not."""
        first = min(line["began"] for line in lines)
        hits = [line["ended"] - first for line in lines if line["loss"] <= task.target]
        seconds = min([*hits, task.limit])
        done = [line for line in lines if line["ended"] - first <= seconds]
        spent = sum(line["ended"] - line["began"] for line in done)
        trials = sum(line["step"] == 1 for line in done)
        return cls(seconds, bool(hits), len(done), trials, spent / (2 * seconds), spent / len(done))


def manifest(
    algorithm: dict[str, Any], seed: int, points: Sequence[dict[str, Any]], space: Space
) -> str:
    """Our experiment, as YAML: `points` are its first configurations, unless it has a model."""
    if "pbt" in algorithm:
        points = points[:POPULATION]
    modelled = "sampler" in algorithm.get("asha", {})
    domains = {
        name: {"float": {"min": low, "max": high, "scale": scale}}
        if scale != "whole"
        else {"integer": {"min": int(low), "max": int(high), "scale": "log"}}
        for name, (low, high, scale) in space.items()
    }
    return yaml.safe_dump(
        {
            "apiVersion": "population-operator.io/v1alpha1",
            "kind": "PopulationExperiment",
            "metadata": {"name": "walltime"},
            "spec": {
                "objective": {"metric": "loss", "goal": "minimize"},
                "parameters": [{"name": name, **domain} for name, domain in domains.items()],
                "initial": [] if modelled else list(points),
                "algorithm": algorithm,
                "population": {"size": len(points), "parallelism": 2, "seed": seed},
                "schedule": {"interval": 1, "maxSteps": STEPS},
                "worker": {
                    "local": {"command": [sys.executable, "-m", "benchmarks.walltime.worker"]}
                },
            },
        }
    )


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A search in a session of its own, which is ended with all that it started."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    paths = {LOG: str(log), "PYTHONPATH": str(ROOT), "RAY_AIR_NEW_OUTPUT": "0"}
    with (log / "output").open("wb") as output:
        search = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **threads, **paths, **environment}, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            yield search
        finally:
            search.terminate()
            with suppress(subprocess.TimeoutExpired):
                search.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(search.pid, signal.SIGKILL)
            search.wait()
            harness.reap(5.0)


def timed(name: str, seed: int, folder: Path, task_name: str) -> Run:
    """A search until the target or the limit; a population that ends short of it is followed.

    Raises:
      RuntimeError: it ended by itself otherwise, or trained nothing.
    """
    task, log, began = TASKS[task_name], folder / "log", time.time()
    log.mkdir()
    points = [task.draw(rng) for rng in [np.random.default_rng(seed)] for _ in range(POINTS)]
    lines: list[dict[str, Any]] = []
    for first in range(0, POINTS, POPULATION):
        command = _command(name, seed + first, folder / str(first), points[first:], task.space)
        with running(command, log, {TASK: task_name}) as search:
            while not _over(lines := _lines(log), began, task) and search.poll() is None:
                time.sleep(0.2)
        if _over(lines, began, task) or name != "pbt":
            break
    if not lines or not _over(lines, began, task):
        raise RuntimeError(f"{name}: {(log / 'output').read_text()[-2000:]}")
    return Run.of(lines, task)


def _command(
    name: str, seed: int, folder: Path, points: Sequence[dict[str, Any]], space: Space
) -> list[str | Path]:
    """What begins a search, in a folder of its own."""
    folder.mkdir()
    if name in OURS:
        (folder / "walltime.yaml").write_text(manifest(OURS[name], seed, points, space))
        program = Path(sys.executable).with_name("population")
        return [program, "run", folder / "walltime.yaml", "--output", folder / "run"]
    (folder / "points.json").write_text(json.dumps(points))
    return [interpreter(), "-m", "benchmarks.walltime.peers", name, "--seed", str(seed),
            "--points", folder / "points.json", "--folder", folder]  # fmt: skip


def _lines(log: Path) -> list[dict[str, Any]]:
    found = []
    for path in log.glob("*.jsonl"):
        found += [
            json.loads(line) for line in path.read_text().splitlines(True) if line[-1] == "\n"
        ]
    return found


def _over(lines: Sequence[dict[str, Any]], began: float, task: Task) -> bool:
    if not lines:
        return time.time() - began > START
    first = min(line["began"] for line in lines)
    return time.time() - first > task.limit or any(line["loss"] <= task.target for line in lines)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_SEEDS} seed")
    parser.add_argument("--task", choices=TASKS, default="few", help="what to train")
    parser.add_argument("--seeds", type=harness.positive, help=f"how many (default: {SEEDS})")
    parser.add_argument("--resume", action="store_true", help="keep the runs of an earlier one")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin none after that")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="run these")
    given = parser.parse_args(argv)
    harness.adopt()
    # Ended from outside, a search must end, too: it would slow down whoever is timed next.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    console, outcome = Console(), harness.Outcome(f"walltime-{given.task}")
    kept = Kept(given.output / f"walltime-{given.task}.jsonl", given.resume)
    names = [n for n in given.only if TASKS[given.task].goes_on or "pbt" not in n]
    began = time.monotonic()
    for seed in range(seeds):
        for name in names:
            if [name, seed] in kept or time.monotonic() - began > 60 * given.minutes:
                continue
            with tempfile.TemporaryDirectory() as folder:
                kept.add([name, seed], asdict(timed(name, seed, Path(folder), given.task)))
            console.print(f"{name}, seed {seed}: {kept[name, seed]}", style="dim")
    runs = {
        name: {seed: Run(**kept[name, seed]) for seed in range(seeds) if [name, seed] in kept}
        for name in NAMES
    }
    _measure(runs, outcome, BOUNDED[given.task])
    console.print(_table(runs, TASKS[given.task].target))
    outcome.details = {
        name: {seed: asdict(run) for seed, run in found.items()} for name, found in runs.items()
    }
    return outcome.conclude(console, given.output, timed=True)


Runs = Mapping[str, Mapping[int, Run]]
"""By name and seed."""


def _measure(runs: Runs, outcome: harness.Outcome, bounded: str) -> None:
    """Ours against each peer: the ratio of means over the seeds that both have run.

    The interval is of resampled seeds. The bound is for the peer that comes nearest.
    """
    rng, ratios = np.random.default_rng(0), {}
    for mine, peer in itertools.product(OURS, PEERS):
        seeds = sorted(runs[mine].keys() & runs[peer].keys())
        if not seeds:
            continue
        a, b = (np.array([runs[name][seed].seconds for seed in seeds]) for name in (mine, peer))
        places = rng.integers(len(seeds), size=(4000, len(seeds)))
        spread = np.quantile(a[places].mean(axis=1) / b[places].mean(axis=1), (0.025, 0.975))
        said = f"{mine} / {peer}, {len(seeds)} seeds (95 %: {spread[0]:.2f} to {spread[1]:.2f})"
        ratios[said] = float(a.mean() / b.mean())
    best = f"{bounded} /"
    near = max((r for said, r in ratios.items() if said.startswith(best)), default=None)
    for said, ratio in ratios.items():
        bound = BOUND if ratio == near else None
        outcome.measure(said, ratio, at_most=bound)


def _table(runs: Runs, target: float) -> Table:
    table = Table(title=f"seconds to a loss of {target}", title_justify="left", title_style="bold")
    for title in ("", "mean ± 95 %", "median", "not reached", "seconds of a worker a trial",
                  "in training", "steps", "seconds a step"):  # fmt: skip
        table.add_column(title, justify="right")
    for name, by_seed in runs.items():
        if not (found := list(by_seed.values())):
            continue
        mean, margin = harness.mean_and_margin([run.seconds for run in found])
        table.add_row(
            name, f"{mean:.1f} ± {margin:.1f}", f"{np.median([r.seconds for r in found]):.1f}",
            f"{sum(not r.reached for r in found)} of {len(found)}",
            f"{2 * sum(r.seconds for r in found) / sum(r.trials for r in found):.2f}",
            f"{100 * np.mean([r.training for r in found]):.0f} %",
            f"{np.mean([r.steps for r in found]):.0f}",
            f"{np.mean([r.step for r in found]):.2f}",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
