"""PB2 on problems whose best hyperparameters move, beside PBT, random search and Ray's PB2.

Five synthetic problems (`pb2_problems.py`): a half circle on two linear scales, an annealed
learning rate on two log scales, a slow drift on four linear ones, one with whole numbers, one with
a category whose best value changes. On these the model's priors were chosen. Three more
(`pb2_held_out.py`: a moving ridge, two hills, an abrupt change) were written afterwards, and
nothing was chosen on them. Noise 0.1, population 4, 40 intervals, synchronous. What is measured is
regret: max f_t - f_t(h), without noise, the mean over all members and intervals.

  oracle   PBT's exploit, then the best values of the coming interval: the floor of the others
  ours     `algorithm: {pb2: {}}`, through the whole core in virtual time
  Ray      its scheduler class, driven by hand, from the same start (`pb2_ray.py`); needs the extra
           `bench` (`pip install -e '.[bench]'`), and is left out without it
  by hand  with --by-hand: Ray's, when the user takes logarithms and rounds by hand

Ratios are of means over seeds; the difference to PBT is paired by seed. What each run came to is
kept in the output folder, for this version of what it ran (Ray takes most of the time): the same
command goes on where it was interrupted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import population_operator
from benchmarks import harness
from benchmarks.quality import pb2_ray
from benchmarks.quality.pb2_held_out import HELD_OUT
from benchmarks.quality.pb2_problems import INTERVALS, MEMBERS, NOISE, PROBLEMS, Problem
from benchmarks.quality.picture import Curves, draw
from population_operator.algorithms.start import configuration
from population_operator.app.simulate import simulate
from population_operator.model.key import Key

EVERY: tuple[Problem, ...] = (*PROBLEMS, *HELD_OUT)
SEEDS, QUICK_SEEDS = 50, 8
RAY_SEEDS, QUICK_RAY_SEEDS = 20, 3
ALL, LOG, LINEAR = 0.75, 0.6, 0.95
"""Bounds on ours / Ray over PROBLEMS: the geometric mean over all, over the log-scale ones, each
linear one. Those held out are measured without a bound."""


def simulated(algorithm: str) -> Callable[[Problem, int], list[float]]:
    """The members' mean regret in each interval under an algorithm of ours."""

    def regrets(problem: Problem, seed: int) -> list[float]:
        state, _ = simulate(problem.experiment({algorithm: {}}, seed), problem)
        if len(state.transitions) != MEMBERS * INTERVALS:
            raise RuntimeError(f"{len(state.transitions)} intervals: {state.phase_message}")
        lost = np.zeros(INTERVALS)
        for t in state.transitions:
            lost[t.index - 1] += problem.regret(t.hyperparameters, t.index) / MEMBERS
        return lost.tolist()

    return regrets


def oracle(problem: Problem, seed: int) -> list[float]:
    """The worst copies the best and gets the best values of the coming interval."""
    noise = np.random.default_rng([seed, 2])
    experiment = problem.experiment({"random": {}}, seed)
    members = [configuration(experiment, i, Key.of(experiment)) for i in range(MEMBERS)]
    scores, lost = np.zeros(MEMBERS), []
    for t in range(1, INTERVALS + 1):
        lost.append(statistics.fmean(problem.regret(values, t) for values in members))
        scores += [problem.value(values, t) for values in members]
        scores += NOISE * noise.normal(size=MEMBERS)
        worst, best = int(scores.argmin()), int(scores.argmax())
        members[worst], scores[worst] = problem.best(t + 1), scores[best]
    return lost


METHODS: dict[str, Callable[[Problem, int], list[float]]] = {
    "oracle": oracle,
    "random": simulated("random"),
    "PBT": simulated("pbt"),
    "ours": simulated("pb2"),
    "Ray": pb2_ray.regrets,
    "by hand": pb2_ray.regrets_by_hand,
}
RAYS = ("Ray", "by hand")
COLORS = {"oracle": "floor", "random": "none", "PBT": "weak", "ours": "strong", "Ray": "other"}
Found = dict[tuple[str, str], list[list[float]]]
"""By method and problem: for each seed, the regret in each interval."""
Task = tuple[str, int, int, Path]
"""Method, problem, seed, and the folder in which its result is kept."""


def one(task: Task) -> list[float]:
    """The regret in each interval of one run."""
    method, problem, seed, folder = task
    kept = folder / f"{method.replace(' ', '-')}-{EVERY[problem].name}-{seed}.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(METHODS[method](EVERY[problem], seed)))
    return [float(value) for value in json.loads(kept.read_text())]


def _folder(output: Path, method: str, problem: Problem) -> Path:
    """Where a method's results are kept: another place where any of what makes them has changed."""
    here, package = Path(__file__).parent, Path(population_operator.__file__).parent
    sources = [here / "pb2_problems.py"]
    if problem in HELD_OUT:
        sources.append(here / "pb2_held_out.py")
    if method in RAYS:
        sources.append(here / "pb2_ray.py")
    else:
        floors = ("api", "model", "algorithms", "core", "adapters/simulation")
        sources += sorted(path for floor in floors for path in (package / floor).rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    name = f"ray-{version('ray')}" if method in RAYS else "ours"
    return output / "pb2" / f"{name}-{digest[:8]}"


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_SEEDS} seeds, Ray {QUICK_RAY_SEEDS}")
    parser.add_argument("--seeds", type=harness.positive, help=f"default: {SEEDS}")
    parser.add_argument("--ray-seeds", type=harness.positive, help=f"default: {RAY_SEEDS}")
    parser.add_argument("--by-hand", action="store_true", help="Ray on logarithms, too")
    given = parser.parse_args(argv)
    console, outcome = Console(), harness.Outcome("pb2")
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    ray_seeds = given.ray_seeds or (QUICK_RAY_SEEDS if given.quick else RAY_SEEDS)
    counts = {name: ray_seeds if name in RAYS else seeds for name in METHODS}
    if not given.by_hand:
        counts.pop("by hand")
    if importlib.util.find_spec("ray") is None:
        console.print("[yellow]Ray is not installed: its lines are left out[/]")
        counts = {name: count for name, count in counts.items() if name not in RAYS}

    lines = [(name, p) for name in counts for p in range(len(EVERY))]
    tasks = [
        (name, p, seed, _folder(given.output, name, EVERY[p]))
        for name, p in lines
        for seed in range(counts[name])
    ]
    answers = iter(harness.map_processes(one, tasks, console, "pb2"))
    found: Found = {
        (name, EVERY[p].name): [next(answers) for _ in range(counts[name])] for name, p in lines
    }
    _against_pbt(outcome, found)
    if "Ray" in counts:
        _against_ray(outcome, found)
    regret = {f"{method}, {name}": _means(found, method, name) for method, name in found}
    outcome.details = {"seeds": counts, "regret": regret}
    console.print(_table(found, tuple(counts)))
    _draw(given.output / "pb2.svg", found)
    return outcome.conclude(console, given.output)


def _means(found: Found, method: str, problem: str) -> list[float]:
    """The regret of each seed."""
    return [statistics.fmean(run) for run in found[method, problem]]


def _against_pbt(outcome: harness.Outcome, found: Found) -> None:
    """The 95 % interval of the paired difference is its mean and margin; bounded is its low end."""
    for problem in EVERY:
        pairs = zip(
            _means(found, "ours", problem.name), _means(found, "PBT", problem.name), strict=True
        )
        mean, margin = harness.mean_and_margin([ours - pbt for ours, pbt in pairs])
        outcome.measure(f"{problem.name}: ours - PBT", mean, margin=margin)
        outcome.measure(f"{problem.name}: ours - PBT, low end", mean - margin, at_most=0.0)


def _against_ray(outcome: harness.Outcome, found: Found) -> None:
    for other in RAYS:
        if (other, EVERY[0].name) not in found:
            continue
        bounded = other == "Ray"
        ratios = {problem.name: _ratio(found, problem.name, other) for problem in EVERY}
        for problem in EVERY:
            linear = bounded and problem in PROBLEMS and not problem.log
            bound = LINEAR if linear else None
            outcome.measure(f"{problem.name}: ours / {other}", ratios[problem.name], at_most=bound)
        for name, problems, bound in (
            ("all", PROBLEMS, ALL),
            ("log scales", [p for p in PROBLEMS if p.log], LOG),
            ("held out", HELD_OUT, None),
        ):
            mean = _geometric(ratios[p.name] for p in problems)
            outcome.measure(f"{name}: ours / {other}", mean, at_most=bound if bounded else None)


def _ratio(found: Found, problem: str, other: str) -> float:
    ours, others = _means(found, "ours", problem), _means(found, other, problem)
    return statistics.fmean(ours) / statistics.fmean(others)


def _geometric(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def _table(found: Found, methods: tuple[str, ...]) -> Table:
    table = Table(title="Regret, mean ± 95 %", title_justify="left", title_style="bold")
    table.add_column("problem")
    for method in methods:
        table.add_column(method, justify="right")
    for problem in EVERY:
        pairs = [harness.mean_and_margin(_means(found, m, problem.name)) for m in methods]
        table.add_row(problem.name, *(f"{mean:.3f} ± {margin:.3f}" for mean, margin in pairs))
    return table


def _draw(path: Path, found: Found) -> None:
    panels: dict[str, Curves] = {
        problem.name: {
            method: (color, found[method, problem.name])
            for method, color in COLORS.items()
            if (method, problem.name) in found
        }
        for problem in EVERY
    }
    draw(path, panels, range(1, INTERVALS + 1), label="regret in the interval")


if __name__ == "__main__":
    sys.exit(main())
