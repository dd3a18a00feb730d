"""Figure 2 of the PBT paper (arXiv 1711.09846): two members, each blind in one coordinate.

Q = 1.2 - t0^2 - t1^2 is to be maximised from t = (0.9, 0.9); a worker follows the gradient of
1.2 - h0 t0^2 - h1 t1^2, and the two members start at h = (1, 0) and (0, 1): each moves one
coordinate only. Left alone (grid search), both end at Q = 0.39. With PBT, copied weights and moved
hyperparameters take both coordinates to zero: Q = 1.2.

It is small, and unforgiving: at the start both members tie, so an implementation that takes a tie
for nothing to do stays at 0.39 for ever; so does one that can only multiply, since a zero stays a
zero. Bound: best Q >= 1.19 in at least 95 % of the seeds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from benchmarks import harness
from benchmarks.quality.picture import draw
from benchmarks.quality.problems import ToySurrogate
from benchmarks.quality.runs import PBT, RANDOM, Run, experiment, run

SEEDS, QUICK_SEEDS = 200, 40
INTERVAL, STEPS = 4, 200
REACHED, SHARE = 1.19, 95.0

PARAMETERS = [{"name": name, "float": {"min": 0.0, "max": 1.0}} for name in ("h0", "h1")]
CORNERS = [{"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0}]


@dataclass(frozen=True)
class Method:
    """A line of the table."""

    name: str
    algorithm: dict[str, Any]
    initial: list[dict[str, float]]
    moves_weights: bool = True


METHODS = (
    Method("PBT", PBT, CORNERS),
    Method("only hyperparameters", PBT, CORNERS, moves_weights=False),
    Method("grid (nothing moved)", RANDOM, CORNERS),
    Method("random search", RANDOM, []),
)


def one(task: tuple[Method, int]) -> Run:
    """One run."""
    method, seed = task
    spec = experiment(
        parameters=PARAMETERS,
        algorithm=method.algorithm,
        initial=method.initial,
        size=2,
        seed=seed,
        interval=INTERVAL,
        steps=STEPS,
    )
    return run(spec, ToySurrogate(), only_hyperparameters=not method.moves_weights)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_SEEDS} seeds")
    parser.add_argument("--seeds", type=harness.positive, help=f"how many (default: {SEEDS})")
    given = parser.parse_args(argv)
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    console, outcome = Console(), harness.Outcome("toy")

    tasks = [(method, seed) for method in METHODS for seed in range(seeds)]
    runs = harness.map_processes(one, tasks, console, "Figure 2")
    by_method = {m.name: runs[i * seeds : (i + 1) * seeds] for i, m in enumerate(METHODS)}
    for method in METHODS:
        found = by_method[method.name]
        share, margin = harness.share_and_margin(sum(r.best >= REACHED for r in found), seeds)
        bound = SHARE if method is METHODS[0] else None
        name = f"{method.name}: seeds with Q ≥ {REACHED}"
        outcome.measure(name, share, "%", at_least=bound, margin=margin)
    for method in METHODS:
        mean, margin = harness.mean_and_margin([r.best for r in by_method[method.name]])
        outcome.measure(f"{method.name}: mean best Q", mean, margin=margin)
    outcome.details = {
        "seeds": seeds,
        "best": {name: [r.best for r in found] for name, found in by_method.items()},
    }
    curves = {
        "PBT": ("strong", [r.curve for r in by_method[METHODS[0].name]]),
        "only hyperparameters": ("weak", [r.curve for r in by_method[METHODS[1].name]]),
        "grid": ("none", [r.curve for r in by_method[METHODS[2].name]]),
    }
    draw(
        given.output / "toy.svg",
        {f"PBT paper, Figure 2: {seeds} seeds": curves},
        range(INTERVAL, STEPS + 1, INTERVAL),
        label="best Q so far",
        lines={"the optimum": 1.2},
    )
    return outcome.conclude(console, given.output)


if __name__ == "__main__":
    sys.exit(main())
