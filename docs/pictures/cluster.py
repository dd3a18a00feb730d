"""What a user of the cluster sees of the digits example."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from docs.pictures.terminal import Terminal
from e2e import workload
from e2e.cluster import Cluster, images, recipes
from e2e.release import Release, values
from tests.apiserver.experiments.operator_process import until
from tests.chart import programs

NAMESPACE = "vision"
ENOUGH_STEPS = 420
LINES = (
    "kubectl get pexp,pmem",
    "kubectl get pods",
    "kubectl get events --field-selector reason=Exploit | tail -5",
)


def pictures(folder: Path) -> None:
    """Takes them while six members train on three GPUs."""
    archives = images.build_all(recipes.needed(), _say)
    with Cluster(archives, _say) as cluster, tempfile.TemporaryDirectory() as scratch:
        Release(cluster, programs.build_helm(4, _say), values(cluster)).install()
        namespace = workload.make(cluster, NAMESPACE, Path(scratch) / "volume")
        body = workload.digits()
        experiment = workload.apply(cluster, namespace, body)
        workload.steps_reach(experiment, ENOUGH_STEPS, 300)
        terminal = Terminal(rows=48)
        context = ("config", "set-context", "--current", f"--namespace={NAMESPACE}")
        cluster.kubectl(*context)
        for line in LINES:
            terminal.type(line)
            terminal.run(["bash", "-c", line], cluster.environment())
        terminal.save(folder / "kubectl.svg", "kubectl")
        until(lambda: experiment.status().get("phase") == "Complete", "it is complete", 600)
        workload.remove(cluster, namespace)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
