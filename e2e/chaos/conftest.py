"""An experiment under way on both nodes, for something to happen to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest
from tests.apiserver.conftest import Namespace

from e2e.chaos.trial import STEPS, Trial
from e2e.cluster import Access
from e2e.release import Release


class Start(Protocol):
    def __call__(self, steps: int = STEPS) -> Trial: ...


@pytest.fixture
def start(cluster: Access, release: Release, namespace: Namespace, tmp_path: Path) -> Start:
    """`start(steps=12000)`: the triangle example, when all of its workers train."""

    def begin(steps: int = STEPS) -> Trial:
        trial = Trial(cluster, release, namespace, tmp_path / "volume", steps)
        trial.begin()
        return trial

    return begin
