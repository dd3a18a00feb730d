"""A learning rate whose optimum rises and falls: no constant does well, a schedule does.

Accuracy starts at 0; the best learning rate is 0.01 a/100 up to an accuracy a of 100 and comes down
again after that (see `problems.py`). Populations of 4, 8 and 16, 400 steps, an interval of 20,
means of 100 seeds. Three lines stand side by side:

  PBT                    weights and hyperparameters move (bounds: 165, 198, 227)
  only hyperparameters   what Katib does: the loser keeps its own weights (about 96, 112, 126)
  no PBT                 random search (about 90, 106, 112)

And the asynchronous mode, in virtual time, with workers of equal speed and with workers of which
the slowest takes four times as long as the fastest: nobody waits for anybody.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import harness
from benchmarks.quality.picture import draw
from benchmarks.quality.problems import TriangleLearningRate
from benchmarks.quality.runs import PBT, RANDOM, Run, experiment, run

SEEDS, QUICK_SEEDS = 100, 20
INTERVAL, STEPS = 20, 400
BOUNDS = {4: 165.0, 8: 198.0, 16: 227.0}
SECONDS_PER_STEP, SLOWEST = 0.01, 4.0

PARAMETERS = [{"name": "lr", "float": {"min": 1.0e-4, "max": 0.02, "scale": "log"}}]


@dataclass(frozen=True)
class Method:
    """A line of the table."""

    name: str
    algorithm: dict[str, Any]
    synchronous: bool = True
    moves_weights: bool = True
    equal_speed: bool = True


FULL = Method("PBT", PBT)
METHODS = (
    FULL,
    Method("only hyperparameters moved (Katib)", PBT, moves_weights=False),
    Method("no PBT (random search)", RANDOM),
)
MODES = (
    FULL,
    Method("PBT, unequal speed", PBT, equal_speed=False),
    Method("PBT asynchronous", PBT, synchronous=False),
    Method("PBT asynchronous, unequal speed", PBT, synchronous=False, equal_speed=False),
)
ALL = (*METHODS, *MODES[1:])


def one(task: tuple[Method, int, int]) -> Run:
    """One run of a population of this size."""
    method, size, seed = task
    spec = experiment(
        parameters=PARAMETERS,
        algorithm=method.algorithm,
        size=size,
        seed=seed,
        interval=INTERVAL,
        steps=STEPS,
        synchronous=method.synchronous,
    )
    return run(
        spec,
        TriangleLearningRate(),
        only_hyperparameters=not method.moves_weights,
        seconds_per_step=SECONDS_PER_STEP if method.equal_speed else unequal(size),
    )


def unequal(size: int) -> dict[str, float]:
    """Seconds per step by worker: evenly from the fastest to one that takes `SLOWEST` times."""
    return {
        f"w{i}": SECONDS_PER_STEP * (1 + (SLOWEST - 1) * i / max(1, size - 1)) for i in range(size)
    }


Found = dict[tuple[str, int], list[Run]]


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_SEEDS} seeds")
    parser.add_argument("--seeds", type=harness.positive, help=f"how many (default: {SEEDS})")
    given = parser.parse_args(argv)
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    console, outcome = Console(), harness.Outcome("triangle")

    lines = [(method, size) for size in BOUNDS for method in ALL]
    tasks = [(method, size, seed) for method, size in lines for seed in range(seeds)]
    runs = harness.map_processes(one, tasks, console, "triangle")
    found: Found = {
        (method.name, size): runs[i * seeds : (i + 1) * seeds]
        for i, (method, size) in enumerate(lines)
    }
    for size, bound in BOUNDS.items():
        for method in ALL:
            mean, margin = harness.mean_and_margin([r.best for r in found[method.name, size]])
            name = f"population {size}: {method.name}"
            least = bound if method is FULL else None
            outcome.measure(name, mean, at_least=least, margin=margin)
    outcome.details = {
        "seeds": seeds,
        "lines": {
            f"{name}, population {size}": {
                "best": [r.best for r in runs],
                "exploits": harness.mean_and_margin([r.exploits for r in runs])[0],
                "virtual_seconds": harness.mean_and_margin([r.seconds for r in runs])[0],
            }
            for (name, size), runs in found.items()
        },
    }
    console.print(_side_by_side(METHODS, found, "What is copied, and what it is worth"))
    console.print(_side_by_side(MODES, found, "Who waits for whom", duration=True))
    draw(
        given.output / "triangle.svg",
        {f"population {size}": _curves(found, size) for size in BOUNDS},
        range(INTERVAL, STEPS + 1, INTERVAL),
        label="best accuracy so far",
    )
    return outcome.conclude(console, given.output)


def _side_by_side(
    methods: tuple[Method, ...], found: Found, title: str, duration: bool = False
) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("best accuracy, mean ± 95 %")
    for size in BOUNDS:
        table.add_column(f"population {size}", justify="right")
    for method in methods:
        cells = []
        for size in BOUNDS:
            runs = found[method.name, size]
            mean, margin = harness.mean_and_margin([r.best for r in runs])
            took = harness.mean_and_margin([r.seconds for r in runs])[0]
            cells.append(f"{mean:.0f} ± {margin:.0f}" + (f" in {took:.1f} s" if duration else ""))
        table.add_row(method.name, *cells)
    return table


def _curves(found: Found, size: int) -> dict[str, tuple[str, list[tuple[float, ...]]]]:
    colors = ("strong", "weak", "none")
    return {
        method.name: (color, [r.curve for r in found[method.name, size]])
        for method, color in zip(METHODS, colors, strict=True)
    }


if __name__ == "__main__":
    sys.exit(main())
