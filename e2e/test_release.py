"""The life of a release: tested, upgraded, narrowed to one namespace, uninstalled.

These tests change the release that all others share, and put it back; the last one removes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import Experiment
from tests.apiserver.experiments.operator_process import until

from e2e import workload
from e2e.cluster import Access
from e2e.release import Release

EARLIER = Path(__file__).parent / "fixtures" / "population-operator-0.0.9.tgz"
FINALIZERS = "population-operator.io"
TENANT_RIGHTS = {
    "selfsubjectreviews.authentication.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
}
"""What Kubernetes lets everybody do: ask who and what they may be."""


def _begin(cluster: Access, namespace: Namespace) -> Experiment:
    """A short run: two members side by side."""
    body = workload.manifest(
        "triangle",
        population={"size": 2, "parallelism": 2, "seed": 1},
        schedule={"interval": 400, "maxSteps": 8000, "synchronous": True},
    )
    return workload.apply(cluster, namespace, body)


def _trains(experiment: Experiment) -> None:
    until(lambda: len(experiment.entries()) > 4, "it trains", 60)


def _completes(experiment: Experiment) -> None:
    experiment.wait("Complete", 120)
    experiment.check()


def test_helm_test(release: Release) -> None:
    said = release.test()
    assert "Succeeded" in said


def test_an_upgrade_interrupts_nothing(
    cluster: Access, release: Release, namespace: Namespace
) -> None:
    """From a chart as it was packaged earlier: new objects, a new operator, the same workers."""
    release.uninstall()
    release.install(EARLIER)
    master = _master(cluster, release)
    experiment = _begin(cluster, namespace)
    _trains(experiment)
    pods = {pod["metadata"]["uid"] for pod in experiment.pods()}
    operator = release.pods()[0]["metadata"]["uid"]
    release.install()
    until(
        lambda: operator not in {pod["metadata"]["uid"] for pod in release.pods()},
        "the earlier operator is gone",
    )
    assert _master(cluster, release) == master
    _completes(experiment)
    gone = [one for e in experiment.entries() for one in e.observed if one.kind == "gone"]
    assert not gone, "no worker had to end for that"
    assert len(pods) == 2


@pytest.fixture
def narrowed(release: Release, namespace: Namespace) -> Iterator[Namespace]:
    """The operator watches this test's namespace only."""
    values = dict(release.values)
    release.values["watchNamespaces"] = [namespace.name]
    release.install()
    yield namespace
    release.values = values
    release.install()


@pytest.fixture
def elsewhere(cluster: Access, tmp_path: Path) -> Iterator[Namespace]:
    """Another namespace."""
    made = workload.make(cluster, "e2e-elsewhere", tmp_path / "elsewhere")
    yield made
    workload.remove(cluster, made)


def test_a_namespaced_operator_leaves_others_alone(
    cluster: Access, release: Release, narrowed: Namespace, elsewhere: Namespace
) -> None:
    theirs = _begin(cluster, elsewhere)
    ours = _begin(cluster, narrowed)
    _completes(ours)
    assert theirs.status() == {}
    assert theirs.entries() == ()
    assert theirs.pods() == []
    account = f"system:serviceaccount:{release.namespace}:{release.name}"
    for place in (elsewhere.name, "kube-system", "default"):
        assert _rights(cluster, account, place) <= TENANT_RIGHTS, place
    assert "pods" in _rights(cluster, account, narrowed.name)


def test_an_uninstall_leaves_what_keep_says(
    cluster: Access, release: Release, namespace: Namespace
) -> None:
    kept = _begin(cluster, namespace)
    claim = {"claimName": workload.CHECKPOINTS, "deletionPolicy": "Delete"}
    body = workload.manifest("triangle", storage=claim)
    body["metadata"]["name"] = "deletes"
    deletes = workload.apply(cluster, namespace, body)
    until(lambda: FINALIZERS in str(deletes.body()["metadata"].get("finalizers")), "finalizer", 60)
    _trains(kept)
    release.uninstall()
    left = _objects_of(cluster, release)
    crds = {f"crd/population{kind}s.population-operator.io" for kind in _KINDS}
    assert left == crds | {f"secret/{release.name}-master"}
    assert not deletes.body()["metadata"].get("finalizers")
    for experiment in (kept, deletes):
        cluster.kubectl(*("delete", "pexp", experiment.name, "-n", namespace.name, "--timeout=30s"))
    until(lambda: not kept.pods() and not deletes.pods(), "workers end with them", 60)
    release.install()


_KINDS = ("experiment", "journal", "member")
_LISTED = (
    "crd,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,secrets,configmaps,"
    "deployments,services,networkpolicies,jobs,pods,leases,poddisruptionbudgets"
)
_SHORT = {"CustomResourceDefinition": "crd"}


def _objects_of(cluster: Access, release: Release) -> set[str]:
    """All that the release made, anywhere; as "kind/name"."""
    labels = f"app.kubernetes.io/instance={release.name}"
    found = cluster.kubectl_json("get", _LISTED, "-A", "-l", labels)["items"]
    leases = cluster.kubectl_json("get", "leases", "-n", release.namespace)["items"]
    return {
        f"{_SHORT.get(one['kind'], one['kind'].lower())}/{one['metadata']['name']}"
        for one in found + leases
    }


def _master(cluster: Access, release: Release) -> str:
    name = f"{release.name}-master"
    secret = cluster.kubectl_json("get", "secret", name, "-n", release.namespace)
    return str(secret["data"]["master"])


def _rights(cluster: Access, account: str, namespace: str) -> set[str]:
    """The resources that `kubectl auth can-i --list` names with any verb."""
    said = cluster.kubectl("auth", "can-i", "--list", f"--as={account}", "-n", namespace)
    rows = [line.split() for line in said.splitlines()[1:]]
    return {row[0] for row in rows if row and not row[0].startswith("[")}
