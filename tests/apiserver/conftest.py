"""Fixtures of everything that runs against the real API server.

One control plane and two nodes for the session, `node-0` and `node-1` with two GPUs each; a
namespace for each test. Binaries are found or built before the first test, with progress on the
terminal, and outside any test's timeout.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.apiserver.cluster import Client, Cluster, Image, binaries, storage
from tests.apiserver.cluster.client import Object

NODES, GPUS = 2, 2
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Namespace:
    """A namespace of its own, and paths into it."""

    name: str
    cluster: Cluster

    @property
    def client(self) -> Client:
        return self.cluster.client

    def path(self, kind: str, name: str = "", group: str = "") -> str:
        """`path("pods", "x")`; `path("jobs", "x", "batch/v1")`."""
        base = f"/apis/{group}" if group else "/api/v1"
        return f"{base}/namespaces/{self.name}/{kind}" + (f"/{name}" if name else "")

    def create(self, kind: str, body: Object, group: str = "") -> Object:
        return self.client.create(self.path(kind, group=group), body)

    def pod(self, name: str) -> Object | None:
        return self.client.find(self.path("pods", name))

    def wait_for_pod(
        self, name: str, holds: str | Callable[[Object], object], seconds: float = 30
    ) -> Object:
        """Until the Pod's phase is `holds`, or `holds(pod)`; {} stands for a Pod that is gone."""
        if isinstance(holds, str):
            return self.client.wait(
                self.path("pods", name),
                lambda pod: pod.get("status", {}).get("phase") == holds,
                seconds,
            )
        return self.client.wait(self.path("pods", name), holds, seconds)

    def events(self, name: str = "") -> list[Object]:
        """Of one object, or all."""
        found = self.client.items(self.path("events"))
        return [one for one in found if not name or one["involvedObject"]["name"] == name]

    def shared(self, folder: Path, claim: str = "shared") -> Path:
        """A ReadWriteMany claim on the folder."""
        return storage.shared(self.client, self.name, folder, claim)


class Kubectl(Protocol):
    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str: ...


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    if not any("cluster" in getattr(item, "fixturenames", ()) for item in session.items):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            binaries.find_or_build(lambda line: print(line, file=sys.stderr, flush=True))
        except binaries.BinariesMissing as error:
            pytest.exit(f"the test cluster: {error}", returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the cluster has to say where a test fails."""
    report = yield
    funcargs: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and "cluster" in funcargs:
        cluster: Cluster = funcargs["cluster"]
        report.sections.append(("cluster", cluster.control_plane.tails(8)))
        if "namespace" in funcargs:
            report.sections.append(("namespace", cluster.describe(funcargs["namespace"].name)))
    return report


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = binaries.find()
    assert found is not None, "pytest_collection_finish builds them"
    folder = tmp_path_factory.mktemp("cluster")
    with Cluster(found, folder, nodes=NODES, gpus=GPUS) as cluster:
        # Wherever the checkout lies: a Pod mounts a volume of its own over /tmp.
        cluster.images["python"] = Image((sys.executable,), visible=(str(CHECKOUT), sys.prefix))
        cluster.images["host"] = Image()
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """Deleted afterwards with all that is in it; its Pods are killed first."""
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].rstrip("-")
    created = cluster.client.create(
        "/api/v1/namespaces", {"metadata": {"generateName": f"{stem}-"}}
    )
    name = created["metadata"]["name"]
    # Controllers that found no API server for half a minute ask again up to a minute later.
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    cluster.client.wait(account, lambda found: bool(found), seconds=120)
    yield Namespace(name, cluster)
    cluster.remove_namespace(name)


@pytest.fixture
def kubectl(cluster: Cluster, namespace: Namespace) -> Kubectl:
    """`kubectl("get", "pods")` as the admin, in the test's namespace."""

    def run(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return cluster.kubectl(
            f"--namespace={namespace.name}", *arguments, stdin=stdin, check=check
        )

    return run
