"""A namespace with shared storage, and experiments of the examples' images in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import yaml
from tests.apiserver.cluster import storage
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import GROUP, Experiment

from e2e.cluster import Access, Cluster, recipes, settings

EXAMPLES = recipes.CHECKOUT / "examples"
CHECKPOINTS, PYTORCH = "checkpoints", "pytorch"
SITE_PACKAGES = next(Path(one) for one in sys.path if one.endswith("site-packages"))
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
Object = dict[str, Any]


def make(cluster: Access, name: str, volume: Path) -> Namespace:
    """A namespace under the restricted Pod Security Standard, with its claims."""
    cluster.client.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
    namespace = Namespace(name, cast(Any, cluster))
    cluster.claim(name, CHECKPOINTS, volume)
    if isinstance(cluster, Cluster):
        storage.shared(cluster.client, name, SITE_PACKAGES, PYTORCH, mode=None)
    return namespace


def remove(cluster: Access, namespace: Namespace) -> None:
    """Its experiments first: the operator ends their workers."""
    cluster.attempt("delete", "pexp", "--all", "-n", namespace.name, "--timeout=60s")
    cluster.forget(namespace.name)
    cluster.attempt("delete", "namespace", namespace.name, "--timeout=60s")


def manifest(example: str, **spec: Object) -> Object:
    """The example's own manifest, with its image and the given parts of `spec` replaced."""
    body: Object = yaml.safe_load((EXAMPLES / example / "experiment.yaml").read_text())
    body["spec"] |= spec
    pod = body["spec"]["worker"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 5
    container = pod["containers"][0]
    image = recipes.reference(recipes.example(example))
    container |= {"image": image, "imagePullPolicy": "IfNotPresent"}
    if example == "digits" and not settings.are_published():
        container["volumeMounts"] = [{"name": PYTORCH, "mountPath": recipes.SITE, "readOnly": True}]
        claim = {"claimName": PYTORCH, "readOnly": True}
        pod["volumes"] = [{"name": PYTORCH, "persistentVolumeClaim": claim}]
    return body


def digits() -> Object:
    """Six members take turns on three workers: what the README's pictures and figures show."""
    return manifest(
        "digits",
        population={"size": 6, "parallelism": 3, "seed": 0},
        schedule={"interval": 60, "maxSteps": 1500, "synchronous": True},
    )


def apply(cluster: Access, namespace: Namespace, body: Object) -> Experiment:
    cluster.kubectl("apply", "-n", namespace.name, "-f", "-", stdin=yaml.safe_dump(body))
    return Experiment(namespace, body["metadata"]["name"])


def steps_reach(experiment: Experiment, step: int, seconds: float = 60) -> None:
    """Until some member is there."""
    path = experiment.namespace.path("populationmembers", "", GROUP)

    def holds(found: Object) -> bool:
        return any(one.get("status", {}).get("step", 0) >= step for one in found.get("items", []))

    experiment.namespace.client.wait(path, holds, seconds)


def population(cluster: Access, *arguments: str) -> str:
    """The command line, against the cluster: its output, whatever it says."""
    done = subprocess.run(
        [sys.executable, "-c", "from population_operator.app.cli import main; main()", *arguments],
        env=cluster.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"{done.stdout}{done.stderr}".strip()
