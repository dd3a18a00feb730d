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
from e2e.cluster import Cluster, images, recipes
from e2e.release import Release, values


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's time does not count what the session's fixtures build before the first one."""
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end="", file=sys.stderr, flush=True)

    return say


@pytest.fixture(scope="session")
def cluster(tell: Callable[[str], None]) -> Iterator[Cluster]:
    with Cluster(images.build_all(recipes.needed(), tell), tell) as running:
        yield running


@pytest.fixture(scope="session")
def release(cluster: Cluster, tell: Callable[[str], None]) -> Release:
    """Installed, and ready."""
    made = Release(cluster, programs.build_helm(4, tell), values(cluster))
    made.install()
    tell("The chart is installed")
    return made


@pytest.fixture
def namespace(
    cluster: Cluster, release: Release, tmp_path: Path, request: pytest.FixtureRequest
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
