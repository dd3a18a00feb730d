"""A cluster of its own, since the chart brings the kinds and watches everything.

Images are commands on this machine: the operator's is the program of this checkout. Its Pods share
the machine's addresses, so that each listens on its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.chart.release import BIN, CHECKOUT, IMAGE, Release
from tests.apiserver.cluster import Cluster, Image, binaries
from tests.apiserver.experiments.operator_process import until
from tests.chart.conftest import needs_helm, program
from tests.chart.helm import Helm, HelmFailed


def pytest_collection_finish(session: pytest.Session) -> None:
    needs_helm(session)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = binaries.find()
    assert found is not None, "pytest_collection_finish builds them"
    with Cluster(found, tmp_path_factory.mktemp("chart"), nodes=1) as cluster:
        cluster.images[IMAGE] = Image(
            (str(BIN / "population-operator"),),
            environment={"PATH": f"{BIN}:/usr/bin:/bin"},
            visible=(str(CHECKOUT), sys.prefix),
        )
        yield cluster


@pytest.fixture(params=[4, 3], ids=["helm4", "helm3"])
def helm(request: pytest.FixtureRequest, cluster: Cluster) -> Helm:
    return Helm(program(request.param).program, cluster.kubeconfig)


@pytest.fixture
def restricted(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that refuses every Pod that is not restricted."""
    labels = {f"pod-security.kubernetes.io/{one}": "restricted" for one in ("enforce", "warn")}
    metadata = {"generateName": "operator-", "labels": labels}
    name = cluster.client.create("/api/v1/namespaces", {"metadata": metadata})["metadata"]["name"]
    cluster.client.wait(
        f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda found: bool(found)
    )
    yield name
    cluster.remove_namespace(name)


@pytest.fixture
def release(helm: Helm, cluster: Cluster, restricted: str, tmp_path: Path) -> Iterator[Release]:
    one = Release(helm, cluster, restricted, tmp_path)
    yield one
    print(
        cluster.kubectl(
            "logs", "-n", restricted, "-l", "app.kubernetes.io/instance=pop", check=False
        )
    )
    try:
        one.run("uninstall", "pop", "--no-hooks", "--ignore-not-found")
    except HelmFailed as error:
        print(error)
    crds = "jsonpath={.items[?(@.spec.group=='population-operator.io')].metadata.name}"
    for crd in cluster.kubectl("get", "crds", "-o", crds).split():
        cluster.kubectl("delete", "crd", crd, "--wait=false")
    until(lambda: not cluster.kubectl("get", "crds", "-o", crds), "the kinds are gone")
