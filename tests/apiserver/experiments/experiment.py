"""An experiment on the API server: what a test does with it and reads of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from population_operator.adapters.kubernetes.journal import entries_of
from population_operator.adapters.kubernetes.names import EXPERIMENT
from population_operator.app.result import Result
from population_operator.core.fold import fold
from population_operator.core.history import history
from population_operator.core.verify import verify
from population_operator.model.entry import Decided, Entry
from population_operator.model.state import State
from tests.apiserver.conftest import Namespace
from tests.builders import ExperimentBuilder, an_experiment

GROUP = "population-operator.io/v1alpha1"
EXAMPLES = Path(__file__).parents[3] / "examples"
PROGRAMS = Path(__file__).parent / "programs"
Object = dict[str, Any]


def template(program: Path, gpus: int = 1, **env: str) -> Object:
    """A Pod template that runs a Python program of this machine."""
    container: Object = {
        "name": "worker",
        "image": "python",
        "command": [sys.executable, str(program)],
        "workingDir": str(program.parent),
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    return {"spec": {"terminationGracePeriodSeconds": 2, "containers": [container]}}


def triangle(size: int = 4, parallelism: int = 2) -> ExperimentBuilder:
    """The triangle example, small: it takes a few seconds."""
    lr = {"name": "lr", "float": {"min": 1e-4, "max": 0.02, "scale": "log"}}
    return (
        an_experiment()
        .set("metadata", {"name": "triangle"})
        .parameters(lr)
        .truncation(0.25)
        .size(size, parallelism=parallelism)
        .steps(20, 200)
        .synchronous()
        .seed(3)
        .set("spec.worker", {"template": template(EXAMPLES / "triangle" / "train.py")})
        .set("spec.storage", {"claimName": "shared"})
    )


@dataclass
class Experiment:
    """One PopulationExperiment in a namespace."""

    namespace: Namespace
    name: str

    @classmethod
    def create(cls, namespace: Namespace, builder: ExperimentBuilder) -> Experiment:
        body = builder.manifest
        namespace.create("populationexperiments", body, GROUP)
        return cls(namespace, body["metadata"]["name"])

    @property
    def path(self) -> str:
        return self.namespace.path("populationexperiments", self.name, GROUP)

    def body(self) -> Object:
        return self.namespace.client.get(self.path)

    def status(self) -> Object:
        found: Object = self.body().get("status", {})
        return found

    def condition(self, kind: str) -> Object:
        found = self.status().get("conditions", [])
        return next((one for one in found if one["type"] == kind), {})

    def wait(
        self, kind: str, seconds: float = 90, reason: str = "", status: str = "True"
    ) -> Object:
        """Until the condition has the status (and reason)."""

        def holds(body: Object) -> bool:
            for one in body.get("status", {}).get("conditions", []):
                if one["type"] == kind and one["status"] == status:
                    return not reason or one["reason"] == reason
            return False

        return self.namespace.client.wait(self.path, holds, seconds)

    def patch(self, spec: Object) -> None:
        self.namespace.client.patch(self.path, {"spec": spec})

    def delete(self) -> None:
        self.namespace.client.delete(self.path)

    def entries(self) -> tuple[Entry, ...]:
        segments = self.namespace.client.items(
            self.namespace.path("populationjournals", "", GROUP),
            labelSelector=f"{EXPERIMENT}={self.name}",
        )
        segments.sort(key=lambda segment: int(segment["spec"]["segment"]))
        lines = [line for segment in segments for line in entries_of(segment)]
        return tuple(Entry.model_validate_json(line) for line in lines)

    def state(self) -> State:
        state = State()
        for entry in self.entries():
            state = fold(state, entry)
        return state

    def decisions(self) -> list[Object]:
        """As `result.json` has them."""
        found = []
        for entry in self.entries():
            for event in entry.decided:
                if isinstance(event, Decided):
                    it, source = event.decision, event.decision.source
                    origin = {"member": source.member, "step": source.step} if source else None
                    expected = {"expected": it.expected.model_dump()} if it.expected else {}
                    found.append(
                        {
                            "id": it.id,
                            "member": it.member,
                            "kind": str(it.kind),
                            "from": origin,
                            "at_step": it.at_step,
                            "hyperparameters": it.hyperparameters,
                            "reason": it.reason,
                            **expected,
                        }
                    )
        return found

    def result(self) -> Object:
        """As `population status -o json` prints it."""
        found: Object = json.loads(Result.of(history(self.entries())).to_json())
        return found

    def pods(self) -> list[Object]:
        found = self.namespace.client.items(self.namespace.path("pods"))
        return [pod for pod in found if pod["metadata"]["name"].startswith(f"{self.name}-w")]

    def running(self) -> list[Object]:
        return [p for p in self.pods() if p.get("status", {}).get("phase") == "Running"]

    def check(self) -> None:
        """Every decision follows, and none was taken twice."""
        verdict = verify(self.entries())
        assert verdict.divergence is None, verdict.divergence
        ids = [decision["id"] for decision in self.decisions()]
        assert len(ids) == len(set(ids))
