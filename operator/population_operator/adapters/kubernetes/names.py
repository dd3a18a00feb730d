"""Names, labels and paths: every object's name derives from the journal, so a second attempt to
make it finds the first."""

from __future__ import annotations

from dataclasses import dataclass

from population_operator.api import PopulationExperiment

GROUP = "population-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "population-operator"
EXPERIMENT = f"{GROUP}/experiment"
UID = f"{GROUP}/experiment-uid"
WORKER = f"{GROUP}/worker"
INCARNATION = f"{GROUP}/incarnation"
MEMBER = f"{GROUP}/member"


@dataclass(frozen=True)
class Key:
    """Names one experiment and no other one that ever had its name."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}/{self.uid}"

    @classmethod
    def parse(cls, text: str) -> Key:
        return cls(*text.split("/"))

    @classmethod
    def of(cls, experiment: PopulationExperiment) -> Key:
        it = experiment.metadata
        return cls(it.namespace, it.name, it.uid)


def pod_name(experiment: str, worker: str, incarnation: int) -> str:
    return f"{experiment}-{worker}-{incarnation}"


def member_object_name(experiment: str, member: str) -> str:
    return f"{experiment}-{member}"


def segment_name(uid: str, segment: int) -> str:
    return f"{uid}-{segment:06d}"


def secret_name(uid: str) -> str:
    """By uid: we may not read Secrets, so that one of another experiment must not be in the way."""
    return f"population-{uid}"


def claim_name(experiment: str) -> str:
    return f"{experiment}-checkpoints"


def path(plural: str, namespace: str | None = None, name: str = "", sub: str = "") -> str:
    """The path of a resource: of the core group, or of ours where it is one of ours."""
    ours = plural.startswith("population")
    groups = {"leases": "/apis/coordination.k8s.io/v1"}
    root = f"/apis/{API_VERSION}" if ours else groups.get(plural, "/api/v1")
    parts = [root]
    if namespace is not None:
        parts += ["namespaces", namespace]
    parts.append(plural)
    parts += [part for part in (name, sub) if part]
    return "/".join(parts)


def labels(key: Key) -> dict[str, str]:
    """On everything that we make for an experiment."""
    return {MANAGED_BY: MANAGER, EXPERIMENT: key.name, UID: key.uid}


def owner(key: Key) -> dict[str, object]:
    """Everything that we make goes with its experiment, also while we are not there."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PopulationExperiment",
        "name": key.name,
        "uid": key.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
