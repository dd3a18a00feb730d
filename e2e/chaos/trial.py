"""One run of the triangle example that something happens to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import Experiment
from tests.apiserver.experiments.operator_process import until

from e2e import workload
from e2e.chaos import faults, hooks
from e2e.cluster import Access, Cluster
from e2e.cluster.node import Node
from e2e.release import Release
from population_operator.model.entry import Entry
from population_operator.model.report import CheckpointRef
from population_worker.manifest import read_manifest

Object = dict[str, Any]
INTERVAL, STEPS, SIZE, WORKERS = 400, 8000, 4, 3


@dataclass
class Trial:
    """`begin`, break something, `survives`."""

    cluster: Access
    release: Release
    namespace: Namespace
    volume: Path
    steps: int = STEPS
    experiment: Experiment = field(init=False)

    def begin(self) -> None:
        """Returns when all workers train and there is something to lose."""
        config = yaml.safe_dump(hooks.config_map())
        self.cluster.kubectl("apply", "-n", self.namespace.name, "-f", "-", stdin=config)
        body = workload.manifest(
            "triangle",
            population={"size": SIZE, "parallelism": WORKERS, "seed": 1},
            schedule={"interval": INTERVAL, "maxSteps": self.steps, "synchronous": True},
        )
        hooks.add_to(body)
        self.experiment = workload.apply(self.cluster, self.namespace, body)
        until(lambda: len(self.experiment.running()) == WORKERS, "all workers run", 60)
        until(lambda: self.furthest() >= 2 * INTERVAL, "members report", 60)

    def furthest(self) -> int:
        """The step of the member that is furthest."""
        return max((one.step for one in self.experiment.state().members.values()), default=0)

    def survives(self, seconds: float = 90) -> None:
        """It ends Complete, with every member at its last step and every decision taken once."""
        self.experiment.wait("Complete", seconds)
        self.experiment.check()
        said = workload.population(
            self.cluster, "verify", self.experiment.name, "-n", self.namespace.name
        )
        assert "all of them follow" in said, said
        members = self.experiment.state().members
        assert {name: one.step for name, one in members.items()} == dict.fromkeys(
            members, self.steps
        )
        assert len(members) == SIZE
        if isinstance(self.cluster, Cluster):
            self._check_checkpoints()

    def _check_checkpoints(self) -> None:
        """What the journal says is kept is there, and every byte is what was committed."""
        root = self.volume / self.experiment.body()["metadata"]["uid"]
        state = self.experiment.state()
        wanted = {one.kept.ref for one in state.members.values() if one.kept}
        assert len(wanted) == SIZE
        for reference in wanted:
            assert _folder(root, reference).is_dir(), f"{reference} is not on the volume"
        found = [path.parent for path in root.glob("*/*/manifest.json")]
        for folder in found:
            for file in read_manifest(folder).files:
                content = (folder / file.path).read_bytes()
                assert hashlib.sha256(content).hexdigest() == file.sha256, f"{folder}/{file.path}"

    @property
    def ours(self) -> Cluster:
        """The cluster, for tests that need its nodes' processes and are marked so."""
        assert isinstance(self.cluster, Cluster)
        return self.cluster

    # --- what a fault aims at ---------------------------------------------------------------

    def operator(self) -> Object:
        """The operator's Pod that works."""
        found = [pod for pod in self.release.pods() if pod["status"]["phase"] == "Running"]
        return next(pod for pod in found if "deletionTimestamp" not in pod["metadata"])

    def operator_is_ready(self) -> bool:
        """Whether one is that nobody has deleted."""
        ready = {"type": "Ready", "status": "True"}
        return any(
            "deletionTimestamp" not in pod["metadata"]
            and any(ready.items() <= one.items() for one in pod["status"].get("conditions", []))
            for pod in self.release.pods()
        )

    def worker(self, where: Callable[[Object], bool] = lambda pod: True) -> Object:
        """A worker's Pod that runs."""
        return next(pod for pod in self.experiment.running() if where(pod))

    def quiet_node(self) -> Node:
        """A node with workers and without the operator."""
        busy = self.operator()["spec"]["nodeName"]
        return faults.node_of(self.ours, self.worker(lambda pod: pod["spec"]["nodeName"] != busy))

    def observed(self, kind: str) -> list[Any]:
        """The journal's observations of a kind, as `gone`."""
        entries: tuple[Entry, ...] = self.experiment.entries()
        return [one for entry in entries for one in entry.observed if one.kind == kind]

    def causes(self) -> set[str]:
        """Why incarnations were gone, so far."""
        return {str(one.cause) for one in self.observed("gone")}

    def pods_of(self, node: Node) -> list[str]:
        """Names of the experiment's Pods there, ended ones too."""
        pods = self.experiment.pods()
        return [pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == node.name]

    def goes_on(self, seconds: float = 60) -> None:
        """Until a member is further than now."""
        step = self.furthest()
        until(lambda: self.furthest() > step, f"a member is beyond step {step}", seconds)


def _folder(root: Path, reference: CheckpointRef) -> Path:
    return root / reference.member / f"{reference.directive}-{reference.step}"
