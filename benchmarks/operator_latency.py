"""The operator on a real API server: from a report to the next directive applied, 8 Pods.

Eight triangle Pods train asynchronously, each interval 50 to 200 ms. The operator is a process of
its own under the chart's Role; each decision is one write of the journal through the API server,
then one PUT to the worker. Both sides write down times of the same clock; what is between two of
them is a stage. Bounds: p50 <= 30 ms, p99 <= 150 ms, from the report's publication to the moment
when the training loop enters the next interval with the new directive's hyperparameters applied.

Absolute times depend on who else uses the machine. So a probe beside the run does, four times a
second, what no design can do without: it replaces a journal object of the usual size, and puts a
directive to a worker over pinned TLS. The ratio of the two figures depends less on the machine.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.console import Console
from tests.apiserver.experiments.experiment import GROUP, Experiment, Object, template
from tests.apiserver.experiments.operator_process import MASTER, until
from tests.builders import an_experiment

from benchmarks import harness
from benchmarks.apiserver import CLAIM, ROOT, Site, load, site
from benchmarks.latency import INTERVAL, WORKERS, Times, chains, milliseconds, report
from population_operator.adapters.kubernetes.journal import segment
from population_operator.adapters.kubernetes.manifests import CONTROL_PORT
from population_operator.adapters.kubernetes.names import Key
from population_operator.adapters.worker.credentials import derive

REPORTS, QUICK_REPORTS = 1200, 240
MEDIAN_MS, TAIL_MS = 30.0, 150.0
SEGMENT_LINES, LINE_BYTES = 32, 1000
"""The probe's journal object is half of a full segment."""
PROBES_A_SECOND = 4
PROGRAM = ROOT / "benchmarks" / "latency_worker.py"
EVENTS = "events"


@dataclass
class Probe:
    """Seconds that a bare write of a journal and a bare PUT to a worker took."""

    writes: list[float] = field(default_factory=list)
    puts: list[float] = field(default_factory=list)

    async def run(self, experiment: Experiment) -> None:
        """Until cancelled."""
        uid = experiment.body()["metadata"]["uid"]
        credentials = derive(MASTER, uid)
        pin = aiohttp.Fingerprint(credentials.fingerprint)
        token = {"Authorization": f"Bearer {credentials.token}"}
        hosts = [pod["status"]["podIP"] for pod in experiment.running()]
        body = await asyncio.to_thread(self._create, experiment, uid)
        async with aiohttp.ClientSession(headers=token) as session:
            for number in range(sys.maxsize):
                body = await asyncio.to_thread(self._write, experiment, body)
                url = f"https://{hosts[number % len(hosts)]}:{CONTROL_PORT}/v1/directive"
                began = time.monotonic()
                try:
                    async with session.put(url, data=b"{}", ssl=pin) as response:
                        await response.read()
                except aiohttp.ClientError:
                    continue  # The run is over.
                if number >= len(hosts):  # The first ones shake hands.
                    self.puts.append(time.monotonic() - began)
                await asyncio.sleep(1 / PROBES_A_SECOND)

    def _create(self, experiment: Experiment, uid: str) -> Object:
        key = Key(experiment.namespace.name, experiment.name, uid)
        body = segment(key, 0, 1, "x" * LINE_BYTES)
        body["metadata"] = {"name": "probe"}
        body["spec"]["entries"] *= SEGMENT_LINES
        return experiment.namespace.create("populationjournals", body, GROUP)

    def _write(self, experiment: Experiment, body: Object) -> Object:
        *kept, _ = body["spec"]["entries"]
        line = f"{time.monotonic():x<{LINE_BYTES}}"
        changed = {**body, "spec": {**body["spec"], "entries": [*kept, line]}}
        path = experiment.namespace.path("populationjournals", "probe", GROUP)
        began = time.monotonic()
        answer = experiment.namespace.client.request("PUT", path, changed)
        self.writes.append(time.monotonic() - began)
        return answer


def create(where: Site, reports: int) -> Experiment:
    # A copy skips what the loser would have trained up to there: some spare intervals.
    steps = INTERVAL * round(1.25 * reports / WORKERS)
    (where.volume / EVENTS).mkdir(mode=0o777)
    worker = template(PROGRAM, 1, LATENCY_EVENTS=f"/checkpoints/{EVENTS}", PYTHONPATH=str(ROOT))
    worker["spec"]["terminationGracePeriodSeconds"] = 10
    builder = (
        an_experiment()
        .set("metadata", {"name": "latency"})
        .parameters({"name": "lr", "float": {"min": 1e-4, "max": 0.02, "scale": "log"}})
        .pbt()
        .size(WORKERS, parallelism=WORKERS)
        .seed(1)
        .steps(INTERVAL, steps)
        .asynchronous()
        .set("spec.worker", {"template": worker})
        .set("spec.storage", {"claimName": CLAIM})
    )
    return Experiment.create(where.namespace, builder)


async def train(experiment: Experiment, steps: int, probe: Probe, console: Console) -> str:
    """Until the experiment has ended and its Pods have written what they noted; the phase."""

    def begin() -> None:
        until(lambda: experiment.status().get("step", 0) >= INTERVAL * 3, "it trains")

    def end() -> str:
        with harness.progress(console) as bar:
            line = bar.add_task("steps", total=steps)
            while (status := experiment.status())["phase"] == "Running":
                bar.update(line, completed=status["step"])
                time.sleep(1.0)
        until(lambda: not experiment.pods(), "no Pod is left")
        return str(status["phase"])

    await asyncio.to_thread(begin)
    probing = asyncio.create_task(probe.run(experiment))
    phase = await asyncio.to_thread(end)
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    return phase


def measure(given_output: Path, reports: int, console: Console) -> int:
    outcome, probe = harness.Outcome("operator_latency"), Probe()
    noted = (given_output / "operator-times.pickle").resolve()
    noted.unlink(missing_ok=True)
    command = (sys.executable, "-m", "benchmarks.operator_watched")
    env = {"OPERATOR_TIMES": str(noted), "PYTHONPATH": str(ROOT)}
    with site(console, given_output, WORKERS, command, env) as where:
        experiment = create(where, reports)
        steps = experiment.body()["spec"]["schedule"]["maxSteps"]
        phase = asyncio.run(train(experiment, steps, probe, console))
        where.operator.stop()
        times: Times = pickle.loads(noted.read_bytes())
        found = list(chains(where.volume / EVENTS, times))
    if phase != "Complete" or not found:
        console.print(f"[red]no figures: the experiment is {phase}")
        return 1
    report(found, times, outcome, console, MEDIAN_MS, TAIL_MS)
    for name, values in (("write of a journal", probe.writes), ("PUT to a worker", probe.puts)):
        for share in (0.5, 0.99):
            figure = 1e3 * harness.quantile(values, share)
            outcome.measure(f"bare {name}, p{100 * share:.0f}", figure, "ms")
    least = harness.quantile(probe.writes, 0.5) + harness.quantile(probe.puts, 0.5)
    waits = [milliseconds(chain, "report", "enter") for _, chain in found]
    ratio = harness.quantile(waits, 0.5) / (1e3 * least)
    outcome.measure("p50 against bare write + PUT", ratio, "x")
    console.print(load(), style="dim")
    noted.unlink()
    return outcome.conclude(console, given_output, timed=True)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_REPORTS} reports")
    parser.add_argument(
        "--reports", type=harness.positive, help=f"how many, about (default: {REPORTS})"
    )
    given = parser.parse_args(argv)
    given.output.mkdir(parents=True, exist_ok=True)
    reports = given.reports or (QUICK_REPORTS if given.quick else REPORTS)
    return measure(given.output, reports, Console())


if __name__ == "__main__":
    sys.exit(main())
