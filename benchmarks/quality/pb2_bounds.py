"""How often PB2's values stand on a bound of their parameter, beside PBT's.

In every problem of `pb2_problems.py` and `pb2_held_out.py` the optimum stands inside of the space:
the share of an oracle is 0. Counted are the numbers of every new configuration; what comes out has
no limit to keep.
"""

from __future__ import annotations

import sys

from rich.console import Console

from benchmarks import harness
from benchmarks.quality.pb2 import EVERY
from benchmarks.quality.pb2_problems import Problem
from population_operator.app.simulate import simulate
from population_operator.model.space import Hyperparameters, to_unit

SEEDS, QUICK_SEEDS = 10, 2
NEAR = 1e-9
"""Of the unit coordinate."""


def on_a_bound(problem: Problem, algorithm: str, seed: int) -> tuple[int, int]:
    """Explored numbers on a bound, and all explored numbers, of one run."""
    state, _ = simulate(problem.experiment({algorithm: {}}, seed), problem)
    domains = {p.name: p.domain for p in problem.space if not p.categorical}
    before: dict[str, Hyperparameters] = {}
    found = []
    for t in state.transitions:
        if t.member in before and before[t.member] != t.hyperparameters:
            units = [to_unit(d, float(t.hyperparameters[name])) for name, d in domains.items()]
            found += [min(u, 1.0 - u) < NEAR for u in units]
        before[t.member] = t.hyperparameters
    return sum(found), len(found)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_SEEDS} seeds")
    parser.add_argument("--seeds", type=harness.positive, help=f"default: {SEEDS}")
    given = parser.parse_args(argv)
    console, outcome = Console(), harness.Outcome("pb2_bounds")
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    for problem in EVERY:
        for algorithm in ("pbt", "pb2"):
            counts = [on_a_bound(problem, algorithm, seed) for seed in range(seeds)]
            share = sum(c[0] for c in counts) / sum(c[1] for c in counts)
            outcome.measure(f"{problem.name}: {algorithm}", share)
    return outcome.conclude(console, given.output)


if __name__ == "__main__":
    sys.exit(main())
