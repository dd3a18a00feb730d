"""How much of the time warm workers train, while there are trials for them.

ASHA, 500 trials on two workers (`--pods`: and on four Pods of a real API server); a step takes 0.1
to 0.3 s, so a worker is asked for something else several times a second. Each report says when its
training began and ended. The window is from the moment when every worker has begun to the moment
when the last of the trials begins: after that, work runs out.

Bound: 95 % of each worker's time in the window is training; saving, loading and waiting for what
comes next are the rest, and shown as milliseconds of each report.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import yaml
from rich.console import Console

from benchmarks import harness
from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.core.verify import verify
from population_operator.model.entry import Entry, Reported

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "benchmarks" / "busy_worker.py"
TRIALS, QUICK_TRIALS = 500, 60
SECONDS_PER_STEP = 0.2
BOUND = 0.95


@dataclass(frozen=True)
class Share:
    """What part of a window of `seconds` each worker trained; `trials` reported at all.

    `rest` has the milliseconds of a report, in the mean, that went elsewhere, by what for.
    """

    busy: tuple[float, ...]
    seconds: float
    trials: int
    rest: dict[str, float]

    @classmethod
    def of(cls, entries: tuple[Entry, ...], workers: int) -> Share:
        """From a journal.

        Raises:
          RuntimeError: it does not verify.
        """
        if (divergence := verify(entries).divergence) is not None:
            raise RuntimeError(str(divergence))
        told = [it for entry in entries for it in entry.observed if isinstance(it, Reported)]
        first: dict[str, float] = {}
        for it in sorted(told, key=_began):
            first.setdefault(it.report.member, _began(it))
        begins = sorted(first.values())
        since, until = begins[workers - 1], begins[-1]
        trained: dict[str, float] = {}
        for it in told:
            inside = min(it.report.metrics["ended"], until) - max(_began(it), since)
            trained[it.worker] = trained.get(it.worker, 0.0) + max(0.0, inside)
        return cls(
            busy=tuple(seconds / (until - since) for seconds in trained.values()),
            seconds=until - since,
            trials=len(first),
            rest={
                what: 1000 * fmean(it.report.seconds.get(what, 0.0) for it in told)
                for what in ("save", "wait", "restore")
            },
        )


def _began(event: Reported) -> float:
    return event.report.metrics["began"]


def spec(trials: int, parallelism: int) -> dict[str, object]:
    """The experiment's, but for its worker."""
    return {
        "objective": {"metric": "x", "goal": "maximize"},
        "parameters": [{"name": "x", "float": {"min": 0.0, "max": 1.0}}],
        "algorithm": {"asha": {}},
        "population": {"size": trials, "parallelism": parallelism, "seed": 1},
        "schedule": {"interval": 1, "maxSteps": 9},
        "storage": {"claimName": "shared"},
    }


def local(trials: int, folder: Path) -> Share:
    """On two processes."""
    body = spec(trials, 2)
    body["worker"] = {
        "local": {
            "command": [sys.executable, str(WORKER)],
            "env": {"BUSY_SECONDS": str(SECONDS_PER_STEP)},
        }
    }
    manifest = {
        "apiVersion": "population-operator.io/v1alpha1",
        "kind": "PopulationExperiment",
        "metadata": {"name": "busy"},
        "spec": body,
    }
    (folder / "busy.yaml").write_text(yaml.safe_dump(manifest))
    program = Path(sys.executable).with_name("population")
    subprocess.run(
        [program, "run", folder / "busy.yaml", "--output", folder / "run"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Share.of(read(RunFolder(folder / "run").journal), 2)


def on_pods(trials: int, console: Console, place: Path) -> Share:
    """On four Pods of a real API server."""
    from tests.apiserver.experiments.experiment import Experiment, template
    from tests.builders import an_experiment

    from benchmarks.apiserver import site

    pod = {"template": template(WORKER, 0, BUSY_SECONDS=str(SECONDS_PER_STEP))}
    built = an_experiment().set("metadata", {"name": "busy"}).set("spec", spec(trials, 4))
    with site(console, place, 2) as where:
        experiment = Experiment.create(where.namespace, built.set("spec.worker", pod))
        experiment.wait("Complete", 600)
        return Share.of(experiment.entries(), 4)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_TRIALS} trials")
    parser.add_argument("--pods", action="store_true", help="also on a real API server")
    given = parser.parse_args(argv)
    trials = QUICK_TRIALS if given.quick else TRIALS
    console, outcome = Console(), harness.Outcome("busy")
    with tempfile.TemporaryDirectory() as folder:
        _measure("2 processes", local(trials, Path(folder)), outcome)
    if given.pods:
        _measure("4 Pods", on_pods(trials, console, given.output), outcome)
    return outcome.conclude(console, given.output, timed=True)


def _measure(name: str, share: Share, outcome: harness.Outcome) -> None:
    least = 100 * min(share.busy)
    outcome.measure(f"{name}: training, the least busy worker", least, "%", at_least=100 * BOUND)
    outcome.measure(f"{name}: training, all workers", 100 * fmean(share.busy), "%")
    for what, milliseconds in share.rest.items():
        outcome.measure(f"{name}: {what}, mean of a report", milliseconds, "ms")
    outcome.measure(f"{name}: window", share.seconds, "s")
    outcome.measure(f"{name}: trials", share.trials, "")


if __name__ == "__main__":
    sys.exit(main())
