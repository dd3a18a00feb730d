"""From `kubectl apply` to the first Pod object, on a real API server.

What is measured begins when the client sends its create, and ends when a watch of Pods shows the
experiment's first one. Experiments are created one after the other, then as many all at once,
`SENDERS` creates at a time. Pods carry a scheduling gate, so that none runs: starting programs is
not the operator's work, and would take the same two cores.

Bound: p99 <= 1 s one by one. All at once, two cores need seconds for the API server's work alone:
the least that each experiment takes is five requests (the experiment, a list and a create of its
journal, a Secret, a Pod). So the same number of bare creates, as many at a time, is timed in the
same run, and what is bounded is the ratio: first Pods of all within 3 times of that.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rich.console import Console
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import Experiment, template
from tests.apiserver.experiments.operator_process import until
from tests.builders import ExperimentBuilder, an_experiment

from benchmarks import harness
from benchmarks.apiserver import CLAIM, ROOT, load, site
from population_operator.adapters.kubernetes.names import EXPERIMENT, MANAGED_BY, MANAGER

EXPERIMENTS, QUICK_EXPERIMENTS = 100, 20
LIMIT_SECONDS = 1.0
SIZE, PARALLELISM = 8, 4
SENDERS = 8
REQUESTS, RATIO = 5, 3.0
GATE = {"schedulingGates": [{"name": "example.com/never"}]}


@dataclass
class FirstPods:
    """When the first Pod of each experiment was seen, by the experiment's name."""

    namespace: Namespace
    seen: dict[str, float] = field(default_factory=dict)

    def watch(self) -> None:
        """Start watching; ends with the process."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        for line in self._lines():
            labels = json.loads(line)["object"]["metadata"].get("labels", {})
            if EXPERIMENT in labels:
                self.seen.setdefault(labels[EXPERIMENT], time.monotonic())

    def _lines(self) -> Iterator[bytes]:
        client = self.namespace.client
        fresh = self.namespace.cluster.control_plane.client_for(client.token)
        fresh.timeout = 3600.0
        connection = fresh.connection()
        selector = f"labelSelector={MANAGED_BY}%3D{MANAGER}"
        path = f"{self.namespace.path('pods')}?watch=true&{selector}"
        connection.request("GET", path, headers={"Authorization": f"Bearer {client.token}"})
        yield from connection.getresponse()


def manifest(name: str) -> ExperimentBuilder:
    worker = template(ROOT / "examples" / "triangle" / "train.py", 0)
    worker["spec"] |= GATE
    return (
        an_experiment()
        .set("metadata", {"name": name})
        .size(SIZE, parallelism=PARALLELISM)
        .seed(1)
        .steps(10, 100)
        .set("spec.worker", {"template": worker})
        .set("spec.storage", {"claimName": CLAIM})
    )


def create(pods: FirstPods, names: list[str]) -> list[float]:
    """Seconds from each create to its first Pod. At most `SENDERS` creates are under way."""
    began: dict[str, float] = {}

    def send(name: str) -> None:
        began[name] = time.monotonic()
        Experiment.create(pods.namespace, manifest(name))

    with ThreadPoolExecutor(min(len(names), SENDERS)) as pool:
        list(pool.map(send, names))
    until(lambda: all(name in pods.seen for name in names), "each has a Pod", 120)
    return [pods.seen[name] - began[name] for name in names]


def bare(namespace: Namespace, number: int) -> float:
    """Seconds that the create of a Pod takes."""
    body = {"metadata": {"name": f"bare-{number}"}, "spec": template(ROOT, 0)["spec"] | GATE}
    began = time.monotonic()
    namespace.create("pods", body)
    return time.monotonic() - began


def bare_burst(namespace: Namespace, count: int) -> float:
    """Seconds for the least that so many experiments need of the API server."""
    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(lambda n: bare(namespace, 1000 + n), range(REQUESTS * count)))
    return time.monotonic() - began


def clear(namespace: Namespace, names: list[str]) -> None:
    for name in names:
        Experiment(namespace, name).delete()
    until(
        lambda: (
            not namespace.client.items(
                namespace.path("pods"), labelSelector=f"{MANAGED_BY}={MANAGER}"
            )
        ),
        "their Pods are gone",
        300,
    )


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_EXPERIMENTS} experiments")
    given = parser.parse_args(argv)
    count = QUICK_EXPERIMENTS if given.quick else EXPERIMENTS
    console, outcome = Console(), harness.Outcome("operator_start")
    with site(console, given.output, 1) as where, harness.progress(console) as bar:
        line = bar.add_task("experiments", total=2 * count)
        pods = FirstPods(where.namespace)
        pods.watch()
        create(pods, ["first"])  # The operator starts, and becomes the leader.
        alone: list[float] = []
        writes: list[float] = []
        for number in range(count):
            alone += create(pods, [f"alone-{number}"])
            writes.append(bare(where.namespace, number))
            bar.advance(line)
        clear(where.namespace, ["first", *(f"alone-{n}" for n in range(count))])
        began = time.monotonic()
        together = create(pods, [f"together-{number}" for number in range(count)])
        took = time.monotonic() - began
        bar.advance(line, count)
        least = bare_burst(where.namespace, count)
    for what, values in (("one by one", alone), (f"{count} at once", together)):
        for share in (0.5, 0.99):
            outcome.measure(
                f"apply -> first Pod, {what}, p{100 * share:.0f}",
                harness.quantile(values, share),
                "s",
                at_most=LIMIT_SECONDS if share > 0.9 and values is alone else None,
            )
    write = harness.quantile(writes, 0.5)
    outcome.measure("bare create of a Pod, p50", write, "s")
    outcome.measure("p50 one by one against it", harness.quantile(alone, 0.5) / write, "x")
    outcome.measure(f"all {count} at once have a Pod after", took, "s")
    outcome.measure(f"{REQUESTS * count} bare creates, {SENDERS} at a time", least, "s")
    outcome.measure("all at once against them", took / least, "x", at_most=RATIO)
    console.print(load(), style="dim")
    return outcome.conclude(console, given.output, timed=True)


if __name__ == "__main__":
    sys.exit(main())
