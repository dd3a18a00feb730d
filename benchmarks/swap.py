"""A warm worker is handed another member: what it costs beyond the checkpoint's load.

Successive halving of 32 trials on two workers, each with weights of 64 MiB: a trial that is
promoted finds its worker with another's weights. All times are from the journal's entry that issues
a directive to the moment when the worker begins to train under it:

  swap            another member on a warm worker, with a checkpoint to load
  beyond load     that less what the SDK's own stopwatch says the restore took (digests included)
  process start   the first directive of a worker's process, which has nothing to load
  Pod start       the same on a real API server, with scheduler and node agent, where a container is
                  a process: no image is pulled, and no sandbox is made (`--pods`)

Bound: beyond load, p50 <= 50 ms.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rich.console import Console

from benchmarks import harness
from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.core.fold import fold
from population_operator.model.entry import Entry, Reported
from population_operator.model.state import State

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "benchmarks" / "swap_worker.py"
TRIALS, QUICK_TRIALS = 32, 8
MEBIBYTES = 64
BOUND = 0.05


@dataclass
class Times:
    """Seconds, by what happened."""

    swaps: list[float] = field(default_factory=list)
    beyond: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Times:
        """From a journal: who was on which incarnation when, and when it began to train."""
        found, state = cls(), State()
        seen: set[tuple[str, int]] = set()
        issued: dict[tuple[str, int], tuple[float, bool, bool]] = {}
        for entry in entries:
            before, state = state, fold(state, entry)
            for event in entry.observed:
                if isinstance(event, Reported):
                    found._reported(event, issued)
            for event in entry.decided:
                if event.kind != "issued":
                    continue
                place = (event.worker, event.incarnation)
                directive = state.workers[event.worker].directive
                known = before.workers.get(event.worker)
                restore = directive.restore if directive else None
                loads = restore is not None and (known is None or known.holds != restore)
                issued[event.member, entry.seq] = (entry.time, place not in seen, loads)
                seen.add(place)
        return found

    def _reported(
        self, event: Reported, issued: dict[tuple[str, int], tuple[float, bool, bool]]
    ) -> None:
        report = event.report
        since, first, loads = issued.pop((report.member, report.directive), (0.0, False, False))
        took = report.metrics["began"] - since
        if first:
            self.starts.append(took)
        elif loads:
            self.swaps.append(took)
            self.beyond.append(took - report.seconds["restore"])


def spec(trials: int, container: dict[str, object]) -> dict[str, object]:
    """The experiment's."""
    return {
        "objective": {"metric": "x", "goal": "maximize"},
        "parameters": [{"name": "x", "float": {"min": 0.0, "max": 1.0}}],
        "algorithm": {"successiveHalving": {"eta": 2}},
        "population": {"size": trials, "parallelism": 2, "seed": 1},
        "schedule": {"interval": 1, "maxSteps": trials},
        "worker": {"template": {"spec": {"containers": [container]}}},
        "storage": {"claimName": "shared"},
    }


def local(trials: int, folder: Path) -> Times:
    """A run of processes."""
    folder.mkdir(parents=True)
    container: dict[str, object] = {
        "name": "worker", "image": "none", "command": [sys.executable, str(WORKER)],
        "env": [{"name": "SWAP_MEBIBYTES", "value": str(MEBIBYTES)}],
    }  # fmt: skip
    manifest = {
        "apiVersion": "population-operator.io/v1alpha1",
        "kind": "PopulationExperiment",
        "metadata": {"name": "swap"},
        "spec": spec(trials, container)
        | {"worker": {"local": {
            "command": [sys.executable, str(WORKER)], "env": {"SWAP_MEBIBYTES": str(MEBIBYTES)},
        }}},
    }  # fmt: skip
    (folder / "swap.yaml").write_text(yaml.safe_dump(manifest))
    program = Path(sys.executable).with_name("population")
    subprocess.run(
        [program, "run", folder / "swap.yaml", "--output", folder / "run"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return Times.of(read(RunFolder(folder / "run").journal))


def on_pods(trials: int, console: Console, place: Path) -> Times:
    """The same on an API server."""
    from tests.apiserver.experiments.experiment import Experiment, template
    from tests.builders import an_experiment

    from benchmarks.apiserver import site

    pod = template(WORKER, 0, SWAP_MEBIBYTES=str(MEBIBYTES))
    with site(console, place, 2) as where:
        built = an_experiment().set("metadata", {"name": "swap"}).set("spec", spec(trials, {}))
        experiment = Experiment.create(where.namespace, built.set("spec.worker", {"template": pod}))
        experiment.wait("Complete", 300)
        return Times.of(experiment.entries())


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_TRIALS} trials, one run")
    parser.add_argument("--pods", action="store_true", help="also on a real API server")
    given = parser.parse_args(argv)
    trials, runs = (QUICK_TRIALS, 1) if given.quick else (TRIALS, 3)
    console, outcome, times = Console(), harness.Outcome("swap"), Times()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs):
            found = local(trials, Path(folder) / str(number))
            times.swaps += found.swaps
            times.beyond += found.beyond
            times.starts += found.starts
    _measure("swap", times.swaps, outcome)
    _measure("beyond load", times.beyond, outcome, bound=BOUND)
    _measure("process start", times.starts, outcome)
    if given.pods:
        pods = on_pods(trials, console, given.output)
        _measure("swap on Pods", pods.swaps, outcome)
        _measure("beyond load on Pods", pods.beyond, outcome, bound=BOUND)
        _measure("Pod start", pods.starts, outcome)
    outcome.details = {"mebibytes": MEBIBYTES, "trials": trials, **vars(times)}
    return outcome.conclude(console, given.output, timed=True)


def _measure(
    name: str, values: list[float], outcome: harness.Outcome, bound: float | None = None
) -> None:
    if not values:
        raise RuntimeError(f"{name}: nothing was measured")
    for share in (0.5, 0.9):
        outcome.measure(
            f"{name}, p{100 * share:.0f} of {len(values)}",
            1000 * harness.quantile(values, share),
            "ms",
            at_most=1000 * bound if bound is not None and share == 0.5 else None,
        )


if __name__ == "__main__":
    sys.exit(main())
