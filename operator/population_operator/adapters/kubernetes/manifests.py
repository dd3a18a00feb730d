"""What we ask the API server to make: pure functions from the experiment to objects.

The user's Pod template is the base; ours only fills in what it does not say.
"""

from __future__ import annotations

import base64
import copy
from pathlib import PurePosixPath
from typing import Any

from population_operator.adapters.kubernetes.client import Object
from population_operator.adapters.kubernetes.names import (
    INCARNATION,
    WORKER,
    Key,
    claim_name,
    labels,
    owner,
    pod_name,
    secret_name,
)
from population_operator.adapters.kubernetes.pods import worker_container
from population_operator.adapters.worker.credentials import Credentials
from population_operator.adapters.worker.environment import WorkerPlace, environment
from population_operator.api import PopulationExperiment, Problem
from population_operator.core.desired import DesiredWorker

CONTROL_PORT, METRICS_PORT = 8443, 9090
CHECKPOINTS = PurePosixPath("/checkpoints")
CREDENTIALS = PurePosixPath("/var/run/secrets/population-operator.io")
HOME = "/home/worker"
NOBODY = 65532
LOST_NODE_SECONDS = 30


def pod(experiment: PopulationExperiment, worker: DesiredWorker) -> Object:
    """The Pod of one incarnation."""
    key = Key.of(experiment)
    template = copy.deepcopy(experiment.spec.worker.template or {})
    metadata, spec = template.get("metadata", {}), template["spec"]
    ours = labels(key) | {WORKER: worker.worker, INCARNATION: str(worker.incarnation)}
    fill(spec)
    _fill_worker(worker_container(spec), experiment, worker)
    _mount(spec, experiment)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(key.name, worker.worker, worker.incarnation),
            "namespace": key.namespace,
            "labels": metadata.get("labels", {}) | ours,
            "annotations": metadata.get("annotations", {}),
            "ownerReferences": [owner(key)],
        },
        "spec": spec,
    }


def unusable(experiment: PopulationExperiment) -> tuple[Problem, ...]:
    """What is right for the embedded runtime, and of no use here."""
    if experiment.spec.worker.template is None:
        example = "{spec: {containers: [{name: worker, image: ...}]}}"
        message = f"is required on Kubernetes, for example `template: {example}`"
        return (Problem("spec.worker.template", message),)
    return ()


def secret(key: Key, credentials: Credentials) -> Object:
    """The token and the TLS key of an experiment's workers."""
    content = {
        "token": credentials.token.encode(),
        "tls.crt": credentials.certificate_pem,
        "tls.key": credentials.key_pem,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(key.uid),
            "namespace": key.namespace,
            "labels": labels(key),
            "ownerReferences": [owner(key)],
        },
        "immutable": True,
        "data": {name: base64.b64encode(data).decode() for name, data in content.items()},
    }


def claim(experiment: PopulationExperiment) -> Object | None:
    """The claim that is made from `storage.claimTemplate`; without one there is nothing to make.

    It has no owner where its data should outlive the experiment.
    """
    storage, key = experiment.spec.storage, Key.of(experiment)
    if storage is None or storage.claim_template is None:
        return None
    template = copy.deepcopy(storage.claim_template)
    metadata = template.get("metadata", {})
    owners = [owner(key)] if storage.deletion_policy == "Delete" else []
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": claim_name(key.name),
            "namespace": key.namespace,
            "labels": metadata.get("labels", {}) | labels(key),
            "annotations": metadata.get("annotations", {}),
            "ownerReferences": owners,
        },
        "spec": template["spec"],
    }


def claimed(experiment: PopulationExperiment) -> str | None:
    """The name of the claim with the checkpoints; none where the experiment has no storage."""
    storage = experiment.spec.storage
    if storage is None:
        return None
    return storage.claim_name or claim_name(experiment.metadata.name)


def fill(spec: dict[str, Any]) -> None:
    """Restricted Pod Security and our way to end, where the user says nothing else."""
    _fill_pod(spec)
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        _fill_container(container)


def _fill_pod(spec: dict[str, Any]) -> None:
    spec["restartPolicy"] = "Never"  # What comes after an end is decided, and is a new incarnation.
    spec.setdefault("automountServiceAccountToken", False)
    spec.setdefault("enableServiceLinks", False)
    security = spec.setdefault("securityContext", {})
    security.setdefault("runAsNonRoot", True)
    security.setdefault("runAsUser", NOBODY)
    security.setdefault("runAsGroup", NOBODY)
    security.setdefault("fsGroup", NOBODY)
    security.setdefault("fsGroupChangePolicy", "OnRootMismatch")
    security.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    tolerations = spec.setdefault("tolerations", [])
    told = {toleration.get("key") for toleration in tolerations}
    for taint in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if taint not in told and None not in told:
            tolerations.append(
                {
                    "key": taint,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": LOST_NODE_SECONDS,
                }
            )


def _fill_container(container: dict[str, Any]) -> None:
    # The Pod goes when its worker has ended: what it printed last goes with it, but for this.
    container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    security = container.setdefault("securityContext", {})
    security.setdefault("allowPrivilegeEscalation", False)
    security.setdefault("capabilities", {"drop": ["ALL"]})


def _fill_worker(
    container: dict[str, Any], experiment: PopulationExperiment, worker: DesiredWorker
) -> None:
    place = WorkerPlace(
        checkpoints=CHECKPOINTS / experiment.metadata.uid,
        token=CREDENTIALS / "token",
        certificate=CREDENTIALS / "tls.crt",
        key=CREDENTIALS / "tls.key",
        host="",  # Known only once the Pod runs: below.
        control_port=CONTROL_PORT,
        metrics_port=METRICS_PORT,
    )
    variables = environment(experiment, worker.worker, worker.incarnation, worker.directive, place)
    env = container.setdefault("env", [])
    if "HOME" not in {variable["name"] for variable in env}:
        env.append({"name": "HOME", "value": HOME})
    ours = {name: {"name": name, "value": value} for name, value in variables.items() if value}
    said = {variable["name"] for variable in env}
    env[:] = [ours.get(variable["name"], variable) for variable in env]  # Each keeps its index.
    env.extend(variable for name, variable in ours.items() if name not in said)
    pod_ip = {"fieldRef": {"fieldPath": "status.podIP"}}
    env.append({"name": "POPULATION_HOST", "valueFrom": pod_ip})
    ports = container.setdefault("ports", [])
    named = {port.get("name") for port in ports}
    for name, number in (("control", CONTROL_PORT), ("metrics", METRICS_PORT)):
        if name not in named:
            ports.append({"name": name, "containerPort": number, "protocol": "TCP"})


def mounted(container: Object) -> set[str]:
    """The paths at which the user has mounted something of his own."""
    return {mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", ())}


def _mount(spec: dict[str, Any], experiment: PopulationExperiment) -> None:
    """Volumes of ours, where the user has mounted nothing of his own."""
    container = worker_container(spec)
    mounts = container.setdefault("volumeMounts", [])
    volumes = spec.setdefault("volumes", [])
    taken = mounted(container)
    name = claimed(experiment)
    checkpoints: Object = (
        {"persistentVolumeClaim": {"claimName": name}} if name else {"emptyDir": {}}
    )
    sources: dict[str, tuple[str, Object]] = {
        "population-checkpoints": (str(CHECKPOINTS), checkpoints),
        "population-credentials": (
            str(CREDENTIALS),
            {"secret": {"secretName": secret_name(experiment.metadata.uid), "defaultMode": 0o440}},
        ),
        "population-tmp": ("/tmp", {"emptyDir": {}}),  # noqa: S108
        "population-home": (HOME, {"emptyDir": {}}),
        "population-shm": ("/dev/shm", {"emptyDir": {"medium": "Memory"}}),  # noqa: S108
    }
    for volume, (where, source) in sources.items():
        if where in taken:
            continue
        volumes.append({"name": volume, **source})
        mounts.append(
            {"name": volume, "mountPath": where}
            | ({"readOnly": True} if volume == "population-credentials" else {})
        )
