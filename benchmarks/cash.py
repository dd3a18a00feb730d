"""Choosing among families of models, against each family's defaults in the same budget.

`population run examples/cash/experiment.yaml` for each seed: the processor time that all its trials
trained, together, is the budget. Each family with scikit-learn's defaults then trains alone, on one
core, in the same increments, until that time is over (or its validation loss has not fallen for
`PATIENCE` increments), and keeps its best increment by the same validation data. Bound: the chosen
model's validation loss (cross-entropy) is below every family's. The test data select nothing.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import harness
from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.core.history import history

SEEDS, QUICK_SEEDS = 5, 1
FAMILIES = ("linear", "neural", "trees", "boosting")
PATIENCE = 60
EXAMPLE = Path(__file__).resolve().parents[1] / "examples/cash"
OURS = "chosen"


@dataclass(frozen=True)
class Found:
    """What a search or a default came to. `budget` is in seconds of a processor."""

    valid: float
    test: float
    accuracy: float
    budget: float
    what: str = ""


def search(seed: int, folder: Path) -> Found:
    """One run of the example."""
    program = Path(sys.executable).with_name("population")
    subprocess.run(
        [program, "run", EXAMPLE / "experiment.yaml", "--seed", str(seed), "--output", folder],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    best = json.loads((folder / "result.json").read_text())["best"]
    reports = history(read(RunFolder(folder).journal)).reports
    spent = sum(accepted.report.metrics["cpu_seconds"] for accepted in reports)
    family = best["hyperparameters"]["family"]
    told = best["metrics"]
    return Found(best["score"], told["test_loss"], told["test_accuracy"], spent, family)


def default(family: str, seed: int, budget: float) -> Found:
    """The family's defaults, for as long."""
    sys.path.insert(0, str(EXAMPLE))
    import data
    import families
    import train as example

    train, valid, test = data.load()
    model: Any = families.build(family, {}, seed)
    best, since, spent = Found(math.inf, math.inf, 0.0, 0.0), 0, 0.0
    while spent < budget and since < PATIENCE:
        began = time.process_time()
        families.train(model, family, train, 1)
        spent += time.process_time() - began
        found, since = example.measure(model, valid)[0], since + 1
        if found < best.valid:
            best, since = Found(found, *example.measure(model, test), spent), 0
    return replace(best, budget=spent)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_SEEDS} seed")
    parser.add_argument("--seeds", type=harness.positive, help=f"how many (default: {SEEDS})")
    given = parser.parse_args(argv)
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    console, outcome = Console(), harness.Outcome("cash")
    found: dict[str, list[Found]] = {name: [] for name in (OURS, *FAMILIES)}
    with harness.progress(console) as bar, tempfile.TemporaryDirectory() as folder:
        line = bar.add_task("cash", total=seeds * len(found))
        for seed in range(seeds):
            ours = search(seed, Path(folder) / str(seed))
            found[OURS].append(ours)
            bar.advance(line)
            for family in FAMILIES:
                found[family].append(default(family, seed, ours.budget))
                bar.advance(line)
            said = ", ".join(f"{name} {runs[-1].valid:.4f}" for name, runs in found.items())
            console.print(f"seed {seed}, validation: {said}", style="dim")
    for name, runs in found.items():
        for what in ("valid", "test", "accuracy"):
            mean, margin = harness.mean_and_margin([getattr(run, what) for run in runs])
            said = {"valid": "validation loss", "test": "test loss", "accuracy": "test accuracy"}
            outcome.measure(f"{name}: {said[what]}", mean, margin=margin)
    for family in FAMILIES:
        ahead, margin = harness.mean_and_margin(
            [b.valid - a.valid for a, b in zip(found[OURS], found[family], strict=True)]
        )
        outcome.measure(f"below {family}, validation", ahead, at_least=1e-9, margin=margin)
    console.print(_table(found))
    outcome.details = {name: [vars(run) for run in runs] for name, runs in found.items()}
    return outcome.conclude(console, given.output)


def _table(found: dict[str, list[Found]]) -> Table:
    table = Table(title="loss, seed by seed", title_justify="left", title_style="bold")
    for title in ("", "validation", "test", "seconds of a processor", "family"):
        table.add_column(title)
    for name, runs in found.items():
        table.add_row(
            name,
            *(" ".join(f"{value:.3f}" for value in column) for column in (
                [run.valid for run in runs], [run.test for run in runs])),
            " ".join(f"{run.budget:.0f}" for run in runs),
            " ".join(run.what for run in runs),
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
