"""The worker of a link's tests."""

from __future__ import annotations

import pytest

from population_operator.adapters.worker import link
from tests.adapters.worker.server import CREDENTIALS, FakeWorker


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker(CREDENTIALS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries within a test's patience."""
    monkeypatch.setattr(link, "LAST_RETRY", 0.05)
