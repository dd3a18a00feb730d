"""The shared volume is full, or slow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apiserver.experiments.operator_process import until

from e2e.chaos import faults, hooks
from e2e.chaos.conftest import Start

pytestmark = pytest.mark.needs_nodes

KILOBYTES = 4096


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    with faults.small_volume(tmp_path / "volume", KILOBYTES) as folder:
        yield folder


def test_the_volume_is_full_and_then_freed(small_volume: Path, start: Start) -> None:
    trial = start(steps=16000)

    def told() -> bool:
        # Retention frees room, as long as some members go on.
        faults.fill(small_volume)
        return "No space left" in str(trial.experiment.status())

    until(told, "the status tells", 60)
    faults.free(small_volume)
    trial.survives()
    assert not trial.observed("gone"), "workers wait for room"


def test_the_volume_is_slow(start: Start) -> None:
    """Each fsync takes a second longer; by a hook in the workers' Python (`e2e/chaos/hooks.py`)."""
    trial = start(steps=3200)
    (trial.volume / hooks.SLOW).touch()
    trial.goes_on()
    trial.survives()
