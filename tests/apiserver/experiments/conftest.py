"""The kinds are installed once; each test has its own namespace, volume and operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.apiserver.cluster import Cluster
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.operator_process import OperatorProcess, grant

CRDS = Path(__file__).parents[3] / "crds"

StartOperator = Callable[..., OperatorProcess]


@pytest.fixture(scope="session")
def kinds(cluster: Cluster) -> None:
    """The CRDs, established."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))


@pytest.fixture
def volume(namespace: Namespace, tmp_path: Path, kinds: None) -> Path:
    """The folder behind the claim `shared`."""
    return namespace.shared(tmp_path / "volume")


@pytest.fixture
def start_operator(
    namespace: Namespace, volume: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[StartOperator]:
    """`start_operator(identity="...")`: a replica; all are stopped at the end."""
    grant(namespace)
    replicas: list[OperatorProcess] = []

    def start(identity: str = "operator-0") -> OperatorProcess:
        replicas.append(OperatorProcess(namespace, tmp_path, identity))
        return replicas[-1].start()

    yield start
    for replica in replicas:
        replica.stop()
        print(f"--- {replica.identity} ---\n{replica.text()[-3000:]}")


@pytest.fixture
def operator(start_operator: StartOperator) -> OperatorProcess:
    return start_operator()
