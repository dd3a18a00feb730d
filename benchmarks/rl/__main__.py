"""The seed paper's headline: PPO whose hyperparameters are tuned by random search, PBT and PB2.

Parker-Holder, Nguyen, Roberts 2020 (arXiv 2002.02518), a population of four, through `population
run` and examples/ppo. `--scale` says which part of the paper's million steps each member gets; the
interval and the range of batch sizes shrink alike. Runs are appended to <output>/rl.json as each
ends, all algorithms of a seed before the next seed; the same command goes on with what is missing.
There are no bounds: what comes out is reported, whatever it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import harness
from benchmarks.rl.report import markdown, picture, write_between
from benchmarks.rl.runs import ALGORITHMS, Trial, run

ENVIRONMENTS = (
    "InvertedDoublePendulum-v5",
    "Hopper-v5",
    "LunarLanderContinuous-v3",
    "BipedalWalker-v3",
)


class Results:
    """The runs so far, in a file that is whole at any moment."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.runs: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []

    def __contains__(self, trial: Trial) -> bool:
        return any(all(r[key] == value for key, value in vars(trial).items()) for r in self.runs)

    def append(self, found: dict[str, Any]) -> None:
        with self._lock:
            self.runs.append(found)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            whole = self._path.with_suffix(".tmp")
            whole.write_text(json.dumps(self.runs, indent=1) + "\n")
            whole.replace(self._path)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick="one seed at a hundredth of the steps")
    parser.add_argument("--environments", nargs="+", default=ENVIRONMENTS[:1], metavar="NAME")
    parser.add_argument("--algorithms", nargs="+", default=list(ALGORITHMS), choices=ALGORITHMS)
    parser.add_argument("--seeds", type=harness.positive, default=10, help="default: 10")
    parser.add_argument("--scale", type=float, default=0.1, help="default: 0.1")
    parser.add_argument("--parallel", type=harness.positive, default=2, help="runs at a time")
    parser.add_argument("--minutes", type=float, default=60.0, help="then stop (default: 60)")
    parser.add_argument("--report", action="store_true", help="run nothing: show what there is")
    parser.add_argument("--docs", type=Path, metavar="MD", help="write the tables there")
    parser.add_argument("--picture", type=Path, metavar="SVG", help="draw the curves (matplotlib)")
    given = parser.parse_args(argv)
    if given.quick:
        given.seeds, given.scale = 1, 0.01
    console, results = Console(), Results(given.output / "rl.json")
    if not given.report:
        _run_all(given, results, console)
    text = "\n\n".join(
        markdown(results.runs, environment, given.scale) for environment in given.environments
    )
    print(text)
    if given.docs:
        write_between(given.docs, text)
    if given.picture:
        picture(given.picture, results.runs, given.environments, given.scale)
    return 0


def _run_all(given: argparse.Namespace, results: Results, console: Console) -> None:
    deadline = time.monotonic() + 60 * given.minutes
    trials = [
        trial
        for environment in given.environments
        for seed in range(given.seeds)
        for algorithm in given.algorithms
        if (trial := Trial(environment, algorithm, seed, given.scale)) not in results
    ]

    def one(trial: Trial) -> None:
        if time.monotonic() >= deadline:
            return
        with tempfile.TemporaryDirectory(prefix="rl-") as folder:
            found = run(trial, Path(folder), deadline)
        if found is not None:
            results.append(found)
            console.print(
                f"{trial.environment} {trial.algorithm} seed {trial.seed}: final"
                f" {found['final']:.0f}, evaluated {found['evaluation']:.0f},"
                f" {found['seconds']:.0f} s"
            )

    with ThreadPoolExecutor(given.parallel) as pool:
        for _ in pool.map(one, trials):
            pass


if __name__ == "__main__":
    sys.exit(main())
