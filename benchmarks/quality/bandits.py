"""Hyperband and its family against other people's, on the same curves with the same budget.

Three comparisons, 30 seeds each; regret is the known optimum less the best score at a rung's end:

  halving   4 workers, 100 s of a step a second (400 steps: 15 full trainings), eta 3, 27 steps;
            three problems of real data (`curves.py`) and a synthetic one. Two kinds: without a
            model (Ray's and Syne Tune's ASHA) and with one (Optuna's TPE with its Hyperband pruner,
            Syne Tune's and hpbandster's BOHB).
  gp        Bayesian optimisation on Branin and Hartmann6, one after the other, against Optuna's
            Gaussian process.
  fabolas   FABOLAS against our BOHB: the cost until the incumbent's regret is at most 0.05.

Of each kind, ours is compared with the peer that has the lowest mean: the difference for each seed,
with its 95 % interval. "Not worse": the interval reaches down to zero.

The peers live in an environment of their own, which `--install` makes (1 GB); tables of curves are
made by `python -m benchmarks.quality.curves`. Every run is kept in <output>/bandits.jsonl once it
is over; `--resume` goes on from there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import harness
from benchmarks.quality.curves import PROBLEMS, STEPS, Synthetic
from benchmarks.quality.environment import ask, install
from benchmarks.quality.kept import Kept
from population_operator.api import PopulationExperiment
from population_operator.app.simulate import simulate
from population_operator.core.fold import fold
from population_operator.model.entry import Reported
from population_operator.model.space import Hyperparameters
from population_operator.model.state import State

SEEDS, QUICK_SEEDS = 30, 5
SECONDS, WORKERS = 100, 4
HALVING = ("cancer", "diabetes", "hartmann6", "digits")
RUNGS = (1, 3, 9, 27)
CALLS = {"branin": 40, "hartmann6": 80}
FULL, LOWEST, ENOUGH, LIMIT = 64, 4, 0.05, 40.0
"""FABOLAS: the steps of the full budget and of the smallest, the regret to reach, and full
trainings after which a run counts as it is."""


@dataclass(frozen=True)
class Kind:
    """Algorithms that are compared: ours by name and block, the peers by name."""

    name: str
    ours: Mapping[str, dict[str, Any]]
    peers: tuple[str, ...]


KINDS = (
    Kind(
        "without a model",
        {
            "asha": {"asha": {"eta": 3}},
            "asha, stopping": {"asha": {"eta": 3, "variant": "stopping"}},
            "hyperband": {"hyperband": {}},
        },
        ("Ray ASHA", "Syne Tune ASHA"),
    ),
    Kind(
        "with a model",
        {
            "bohb": {"bohb": {}},
            "hyperband, process": {"hyperband": {"sampler": "gaussianProcess"}},
            "asha, process": {"asha": {"eta": 3, "sampler": "gaussianProcess"}},
        },
        ("Optuna TPE + Hyperband", "Syne Tune BOHB", "hpbandster BOHB"),
    ),
)
SLOW = ("Syne Tune BOHB", "hpbandster BOHB")
"""Peers whose samplers take some seconds for each run: `--fast` leaves them out."""
Results = list[list[float]]
"""Rungs' ends of one run in order: second, step, score."""
Task = tuple[str, dict[str, Any], int]
"""One of our runs: problem, algorithm, seed."""


class Program:
    """A problem as a program: what was trained before makes no difference to a score."""

    def __init__(self, name: str, steps: int = STEPS) -> None:
        self.problem, self.steps = PROBLEMS[name], steps

    def start(self, hyperparameters: Hyperparameters, seed: int) -> None:
        return None

    def train(
        self, weights: None, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[None, float]:
        if isinstance(self.problem, Synthetic):
            return None, self.problem.at(hyperparameters, until / self.steps)
        return None, float(self.problem.scores(hyperparameters)[until - 1])


def experiment(
    problem: str, algorithm: dict[str, Any], seed: int, **sections: dict[str, Any]
) -> PopulationExperiment:
    """The manifest of one run; `sections` are of its spec."""
    spec = {
        "objective": {"metric": "score", "goal": "maximize"},
        "parameters": [axis.manifest() for axis in PROBLEMS[problem].axes],
        "algorithm": algorithm,
        "worker": {"local": {"command": ["true"]}},
        **sections,
    }
    return PopulationExperiment.model_validate(
        {
            "apiVersion": "population-operator.io/v1alpha1",
            "kind": "PopulationExperiment",
            "metadata": {"name": "bandits", "uid": f"seed-{seed}"},
            "spec": spec,
        }
    )


def halving(task: Task) -> Results:
    """One of our runs, at every rung's end, those that were passed on the way with it."""
    problem, algorithm, seed = task
    program = Program(problem)
    spec = experiment(
        problem, algorithm, seed,
        population={"size": 1000, "parallelism": WORKERS, "seed": seed},
        schedule={"interval": 1, "maxSteps": STEPS, "maxDuration": f"{SECONDS}s"},
    )  # fmt: skip
    _, entries = simulate(spec, program, seconds_per_step=1.0, start_seconds=0.0)
    found: Results = []
    stood: dict[str, int] = {}
    for entry in entries:
        for event in entry.observed:
            if isinstance(event, Reported):
                report, now = event.report, entry.time - entries[0].time
                for step in (r for r in RUNGS if stood.get(report.member, 0) < r <= report.step):
                    values = report.hyperparameters or {}
                    score = program.train(None, values, 0, step, 0)[1]
                    found.append([now - (report.step - step), step, score])
                stood[report.member] = report.step
    return sorted(found)


def bayesian(task: Task) -> Results:
    """Full trainings one after the other."""
    problem, algorithm, seed = task
    spec = experiment(
        problem, algorithm, seed,
        population={"size": CALLS[problem], "parallelism": 1, "seed": seed},
        schedule={"interval": 1, "maxSteps": 1},
    )  # fmt: skip
    _, entries = simulate(spec, Program(problem, 1), start_seconds=0.0)
    reports = [e.report for entry in entries for e in entry.observed if isinstance(e, Reported)]
    return [[count, STEPS, report.score] for count, report in enumerate(reports, start=1)]


def cost_to_regret(task: Task) -> float:
    """Full trainings' worth of steps until the incumbent is good enough."""
    problem, algorithm, seed = task
    target = PROBLEMS[problem]
    spec = experiment(
        problem, algorithm, seed,
        population={"size": 400, "parallelism": 1, "seed": seed},
        schedule={"interval": LOWEST, "maxSteps": FULL, "maxDuration": f"{LIMIT * FULL:.0f}s"},
    )  # fmt: skip
    _, entries = simulate(spec, Program(problem, FULL), seconds_per_step=1.0, start_seconds=0.0)
    assert isinstance(target, Synthetic)
    state = State()
    for entry in entries:
        state = fold(state, entry)
        values = incumbent(state, "fabolas" in algorithm)
        if values is not None and target.optimum - target.full(values) <= ENOUGH:
            return (entry.time - entries[0].time) / FULL
    return LIMIT


def incumbent(state: State, waits: bool) -> Hyperparameters | None:
    """FABOLAS lets its incumbent wait; BOHB's is the best on the largest budget so far."""
    done = [m for m in state.population if m.rungs]
    if waits:
        done = [m for m in done if m.reported and not m.stopped and m.step < FULL]
    best = max(done, key=lambda m: (m.rungs[-1].step, m.rungs[-1].score), default=None)
    return best.decision.hyperparameters if best else None


def regret(problem: str, results: Results, until: float = np.inf) -> float:
    """The optimum less the best score until then."""
    best = max((score for second, _, score in results if second <= until), default=-np.inf)
    return float(PROBLEMS[problem].optimum - best)


def on_the_way(problem: str, results: Results, seconds: float) -> float:
    """The regret's mean over ten moments from a tenth of the time to the end."""
    return float(
        np.mean([regret(problem, results, seconds * share / 10) for share in range(2, 11)])
    )


Found = dict[tuple[str, str], list[Results]]
"""Runs by problem and optimiser."""


@dataclass(frozen=True)
class Bench:
    """What the comparisons share. Runs that are kept are not run again."""

    seeds: int
    processes: int | None
    fast: bool
    kept: Kept
    console: Console
    outcome: harness.Outcome

    def ours(self, function: Callable[[Task], Any], tasks: Sequence[Task]) -> list[Any]:
        """The answers of a function to tasks, in their order."""

        def named(task: Task) -> list[Any]:
            return [function.__name__, *task]

        left = [task for task in tasks if named(task) not in self.kept]
        harness.map_processes(
            function, left, self.console, function.__name__, self.processes,
            lambda task, answer: self.kept.add(named(task), answer),
        )  # fmt: skip
        return [self.kept[named(task)] for task in tasks]

    def theirs(self, tasks: Sequence[dict[str, Any]]) -> list[Results]:
        """The peers' runs, in the order of the tasks."""
        left = [task for task in tasks if task not in self.kept]
        for said in ask(left, self.processes) if left else ():
            if said["late"]:
                self.console.print(f"cut off by its time limit: {said['task']}")
            self.kept.add(said["task"], said["results"])
        return [self.kept[task] for task in tasks]

    def found(
        self, problem: str, kinds: Iterable[Kind], function: Callable[[Task], Any], seconds: float
    ) -> Found:
        """All runs of all optimisers on a problem."""
        seeds = range(self.seeds)
        ours = {name: block for kind in kinds for name, block in kind.ours.items()}
        theirs = [name for kind in kinds for name in kind.peers]
        runs = self.ours(function, [(problem, b, seed) for b in ours.values() for seed in seeds])
        runs += self.theirs(
            [
                {"peer": name, "problem": problem, "seed": seed, "seconds": seconds}
                for name in theirs
                for seed in seeds
            ]
        )
        return {
            (problem, name): runs[place * self.seeds : (place + 1) * self.seeds]
            for place, name in enumerate((*ours, *theirs))
        }


def compare_halving(bench: Bench) -> None:
    """The family, by kind and problem."""
    kinds = KINDS if not bench.fast else tuple(_without_slow(kind) for kind in KINDS)
    found: Found = {}
    for problem in HALVING:
        found |= bench.found(problem, kinds, halving, SECONDS)
        for kind in kinds:
            bench.console.print(_table(kind, found, {problem: SECONDS}))
            _measure(kind, problem, found, bench.outcome)
    bench.outcome.details["halving"] = _details(found)


def _without_slow(kind: Kind) -> Kind:
    return replace(kind, peers=tuple(name for name in kind.peers if name not in SLOW))


def compare_gp(bench: Bench) -> None:
    """Gaussian processes."""
    kind = Kind("gp", {"bayesian": {"bayesian": {}}}, ("Optuna GP",))
    found: Found = {}
    for problem, calls in CALLS.items():
        found |= bench.found(problem, (kind,), bayesian, calls)
    bench.console.print(_table(kind, found, CALLS))
    for problem in CALLS:
        _measure(kind, problem, found, bench.outcome)
    bench.outcome.details["gp"] = _details(found)


def compare_fabolas(bench: Bench) -> None:
    """The cost to a small regret, two problems."""
    seeds, outcome = range(bench.seeds), bench.outcome
    blocks: dict[str, dict[str, Any]] = {"fabolas": {"fabolas": {}}, "bohb": {"bohb": {"eta": 2}}}
    for problem in ("branin", "ridge"):
        tasks = [(problem, block, seed) for block in blocks.values() for seed in seeds]
        costs = bench.ours(cost_to_regret, tasks)
        mine, other = costs[: bench.seeds], costs[bench.seeds :]
        ahead, margin = harness.mean_and_margin([b - a for a, b in zip(mine, other, strict=True)])
        for name, values in (("fabolas", mine), ("bohb", other)):
            mean, half = harness.mean_and_margin(values)
            outcome.measure(f"{problem}: cost of {name}", mean, margin=half)
        outcome.measure(f"{problem}: saved against bohb", ahead, at_least=0.0, margin=margin)
        outcome.details[f"fabolas {problem}"] = {"fabolas": mine, "bohb": other}


def _measure(kind: Kind, problem: str, found: Found, outcome: harness.Outcome) -> None:
    """Ours with the lowest mean against the peer with the lowest: the difference by seed."""

    def mean(name: str) -> float:
        return float(np.mean([regret(problem, run) for run in found[problem, name]]))

    mine, other = min(kind.ours, key=mean), min(kind.peers, key=mean)
    pairs = zip(found[problem, mine], found[problem, other], strict=True)
    worse, margin = harness.mean_and_margin(
        [regret(problem, a) - regret(problem, b) for a, b in pairs]
    )
    outcome.measure(f"{kind.name}, {problem}: {mine} less {other}", worse, margin=margin)
    outcome.measure(
        f"{kind.name}, {problem}: by how much worse for sure", worse - margin, at_most=0.0
    )


def _table(kind: Kind, found: Found, seconds: Mapping[str, float]) -> Table:
    """By optimiser and problem; `seconds` is how long each problem's runs take."""
    table = Table(title=f"regret, {kind.name}", title_justify="left", title_style="bold")
    table.add_column("mean ± 95 % (on the way)")
    for problem in seconds:
        table.add_column(problem, justify="right")
    for name in (*kind.ours, *kind.peers):
        cells = []
        for problem in seconds:
            runs = found[problem, name]
            mean, margin = harness.mean_and_margin([regret(problem, run) for run in runs])
            way = np.mean([on_the_way(problem, run, seconds[problem]) for run in runs])
            cells.append(f"{mean:.4f} ± {margin:.4f} ({way:.3f})")
        table.add_row(name, *cells)
    return table


def _details(found: Found) -> dict[str, Any]:
    return {
        f"{name} on {problem}": [regret(problem, run) for run in runs]
        for (problem, name), runs in found.items()
    }


PARTS = {"halving": compare_halving, "gp": compare_gp, "fabolas": compare_fabolas}


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_SEEDS} seeds")
    parser.add_argument("--seeds", type=harness.positive, help=f"how many (default: {SEEDS})")
    parser.add_argument("--part", choices=PARTS, help="one comparison (default: all)")
    parser.add_argument("--fast", action="store_true", help=f"without {' and '.join(SLOW)}")
    parser.add_argument("--install", action="store_true", help="make the peers' environment")
    parser.add_argument("--resume", action="store_true", help="keep the runs of an earlier one")
    parser.add_argument("--processes", type=harness.positive, help="at once (default: the cores)")
    given = parser.parse_args(argv)
    if given.install:
        install()
        return 0
    name = f"bandits-{given.part}" if given.part else "bandits"
    console, outcome = Console(), harness.Outcome(name)
    kept = Kept(given.output / "bandits.jsonl", given.resume)
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    bench = Bench(seeds, given.processes, given.fast, kept, console, outcome)
    for part, compare in PARTS.items():
        if given.part in (None, part):
            compare(bench)
    return outcome.conclude(console, given.output)


if __name__ == "__main__":
    sys.exit(main())
