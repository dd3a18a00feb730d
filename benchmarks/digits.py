"""The example on real data, from end to end: `population run examples/digits/experiment.yaml`.

Eight networks on two workers learn to read handwritten digits, once for each seed. Bounds, each
seed: Complete within 5 minutes, test accuracy of the best member >= 0.96 (it is chosen by its
validation accuracy; the test score is only reported), at least 10 exploits, and at least one in the
best member's lineage.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import harness
from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.core.history import history
from population_operator.core.lineage import best_lineage

SEEDS, QUICK_SEEDS = (0, 1, 2, 3, 4), (0,)
SECONDS, ACCURACY, EXPLOITS = 300.0, 0.96, 10
MANIFEST = Path(__file__).resolve().parents[1] / "examples/digits/experiment.yaml"


@dataclass(frozen=True)
class Found:
    """What one run came to. `in_lineage` counts the copies on the way to the best checkpoint."""

    seed: int
    exit_code: int
    phase: str
    seconds: float
    test_accuracy: float
    validation_accuracy: float
    exploits: int
    in_lineage: int


def run(seed: int, folder: Path) -> Found:
    """Run the example as a user does."""
    program = Path(sys.executable).with_name("population")
    began = time.monotonic()
    done = subprocess.run(
        [program, "run", MANIFEST, "--seed", str(seed), "--output", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if not (folder / "result.json").exists():
        raise RuntimeError(f"seed {seed}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    result = json.loads((folder / "result.json").read_text())
    best = result["best"] or {"score": 0.0, "metrics": {}}
    return Found(
        seed=seed,
        exit_code=done.returncode,
        phase=result["phase"],
        seconds=seconds,
        test_accuracy=best["metrics"].get("test_accuracy", 0.0),
        validation_accuracy=best["score"],
        exploits=sum(decision["kind"] == "exploit" for decision in result["decisions"]),
        in_lineage=_copies_in_lineage(folder),
    )


def _copies_in_lineage(folder: Path) -> int:
    told = history(read(RunFolder(folder).journal))
    kinds = {taken.decision.id: str(taken.decision.kind) for taken in told.decisions}
    return sum(kinds[segment.decision] == "exploit" for segment in best_lineage(told))


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"seeds {QUICK_SEEDS} only")
    parser.add_argument("--seeds", type=int, nargs="+", help=f"default: {SEEDS}")
    given = parser.parse_args(argv)
    seeds = tuple(given.seeds or (QUICK_SEEDS if given.quick else SEEDS))
    console, outcome = Console(), harness.Outcome("digits")
    found: list[Found] = []
    with harness.progress(console) as bar:
        line = bar.add_task("digits", total=len(seeds))
        for seed in seeds:
            with tempfile.TemporaryDirectory(prefix=f"digits-{seed}-") as folder:
                found.append(run(seed, Path(folder)))
            bar.advance(line)

    table = Table(title="by seed", title_justify="left", title_style="bold")
    for column in asdict(found[0]):
        table.add_column(column.replace("_", " "), justify="right")
    for one in found:
        table.add_row(
            *(v if isinstance(v, str) else harness.number(v) for v in asdict(one).values())
        )
    console.print(table)
    complete = sum(one.phase == "Complete" and one.exit_code == 0 for one in found)
    outcome.measure("runs that are Complete", complete, at_least=len(seeds))
    outcome.measure("slowest run", max(one.seconds for one in found), "s", at_most=SECONDS)
    accuracies = [one.test_accuracy for one in found]
    outcome.measure("test accuracy of the best member, lowest", min(accuracies), at_least=ACCURACY)
    outcome.measure("test accuracy of the best member, mean", statistics.fmean(accuracies))
    outcome.measure("exploits, fewest", min(one.exploits for one in found), at_least=EXPLOITS)
    fewest = min(one.in_lineage for one in found)
    outcome.measure("exploits in the best member's lineage, fewest", fewest, at_least=1)
    outcome.details = {"runs": [asdict(one) for one in found]}
    return outcome.conclude(console, given.output, timed=True)


if __name__ == "__main__":
    sys.exit(main())
