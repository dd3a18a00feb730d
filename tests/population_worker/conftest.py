"""Fixtures of the SDK's tests; see `support` for what is real (everything)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from population_worker import Session
from tests.population_worker.support import Process, Worker, environment, make_certificate


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of checkpoints."""
    return tmp_path / "checkpoints"


@pytest.fixture
def start(root: Path, tls: tuple[Path, Path]) -> Iterator[Callable[..., Worker]]:
    """Start programs in threads; stopped at the end."""
    workers: list[Worker] = []

    def start_one(program: Callable[[Session], None], **changes: Any) -> Worker:
        workers.append(Worker(program, environment(root, tls, **changes)))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.session.stop()
        worker._thread.join(10)


@pytest.fixture
def spawn(root: Path, tls: tuple[Path, Path]) -> Iterator[Callable[..., Process]]:
    """Start programs as processes; killed at the end."""
    processes: list[Process] = []

    def spawn_one(program: str, first: dict[str, Any] | None, **variables: str) -> Process:
        folder = Path(variables.pop("root", root))
        processes.append(Process(program, folder, tls, first, **variables))
        return processes[-1]

    yield spawn_one
    for one in processes:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
