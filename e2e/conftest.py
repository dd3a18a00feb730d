"""One cluster and one release of the chart for the session; a namespace for each test."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from tests.apiserver.conftest import Namespace
from tests.chart import programs

from e2e import workload
from e2e.cluster import Access, Cluster, images, recipes, settings
from e2e.cluster.existing import Existing
from e2e.release import Release, values


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's time does not count what the session's fixtures build before the first one."""
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))
        if settings.is_existing() and item.get_closest_marker("needs_nodes"):
            item.add_marker(pytest.mark.skip("breaks processes of nodes: only in our own cluster"))


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end="", file=sys.stderr, flush=True)

    return say


@pytest.fixture(scope="session")
def cluster(tell: Callable[[str], None]) -> Iterator[Access]:
    """Our own, or the one that there is: see `e2e/cluster/settings.py`."""
    if settings.is_existing():
        if settings.registry():
            # Each kubelet has a pause image already.
            images.push_all([one for one in recipes.needed() if one is not recipes.PAUSE], tell)
        with Existing() as found:
            yield found
        return
    with Cluster(images.build_all(recipes.needed(), tell), tell) as running:
        yield running


@pytest.fixture(scope="session")
def release(cluster: Access, tell: Callable[[str], None]) -> Iterator[Release]:
    """Installed, and ready."""
    made = Release(cluster, programs.build_helm(4, tell), values(cluster))
    made.install()
    tell("The chart is installed")
    yield made
    if not isinstance(cluster, Cluster):
        made.purge()


@pytest.fixture
def namespace(
    cluster: Access, release: Release, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Namespace]:
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    name = f"e2e-{stem[:40]}".rstrip("-")
    made = workload.make(cluster, name, tmp_path / "volume")
    yield made
    if getattr(request.node, "failed", False):
        print(cluster.describe(name), release.describe(), sep="\n")
    workload.remove(cluster, made)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report
