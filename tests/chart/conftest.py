"""`helm`: Helm 4, built before the first test where it is missing; `helms`: it and Helm 3."""

from __future__ import annotations

import sys

import pytest

from tests.apiserver.cluster.binaries import BinariesMissing
from tests.chart import programs
from tests.chart.helm import Helm


def needs_helm(session: pytest.Session) -> None:
    """Builds Helm 4 with progress on the terminal, outside any test's timeout."""
    if session.config.option.collectonly or programs.helm(4) is not None:
        return
    if not any("helm" in getattr(item, "fixturenames", ()) for item in session.items):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            programs.build_helm(4, lambda line: print(line, file=sys.stderr, flush=True))
        except BinariesMissing as error:
            pytest.exit(f"helm: {error}", returncode=1)


def pytest_collection_finish(session: pytest.Session) -> None:
    needs_helm(session)


def program(major: int) -> Helm:
    found = programs.helm(major)
    if found is None:
        assert major == 3, "pytest_collection_finish builds it"
        pytest.skip("no Helm 3: set HELM3, or `python -m tests.chart.programs 3`")
    return Helm(found)


@pytest.fixture(scope="session")
def helm() -> Helm:
    return program(4)


@pytest.fixture(scope="session")
def helm3() -> Helm:
    return program(3)
