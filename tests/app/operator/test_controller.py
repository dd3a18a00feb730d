"""What the operator says when it cannot reconcile: no API server is needed for that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from population_operator.adapters.kubernetes.names import Key
from population_operator.adapters.simulation.journal import MemoryJournal
from population_operator.algorithms import tpe
from population_operator.algorithms.base import MissingLibrary
from population_operator.app.operator.controller import Controller
from population_operator.app.operator.settings import Settings
from population_operator.model.entry import Entry
from population_operator.model.state import State
from population_operator.ports import JournalUnavailableError
from tests.builders import a_member, a_state, an_experiment

BODY: dict[str, Any] = {
    "apiVersion": "population-operator.io/v1alpha1",
    "kind": "PopulationExperiment",
    "metadata": {"name": "digits", "namespace": "default", "uid": "u1", "generation": 1},
    "spec": {
        "objective": {"metric": "accuracy", "goal": "maximize"},
        "parameters": [{"name": "lr", "float": {"min": 0.1, "max": 1.0}}],
        "algorithm": {"tpe": {}},
        "population": {"size": 9, "parallelism": 2},
        "schedule": {"interval": 1, "maxSteps": 9},
        "worker": {"template": {"spec": {"containers": [{"name": "worker", "image": "x"}]}}},
    },
}

STATE = a_state(an_experiment(), a_member(0))
ENTRY = Entry(seq=1, time=0.0)


class Server:
    """Remembers each status."""

    def __init__(self) -> None:
        self.statuses: list[dict[str, Any]] = []

    async def set_status(self, path: str, uid: str, status: dict[str, Any]) -> None:
        self.statuses.append(status)


def test_a_missing_library_is_a_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(tpe.importlib, "import_module", missing)

    async def ready() -> dict[str, Any]:
        server = Server()
        controller = Controller(server, Settings(), b"0" * 32)  # type: ignore[arg-type]
        controller.reconciler.journal = MemoryJournal()
        controller.experiments.objects["default", "digits"] = BODY
        for cache in (controller.experiments, controller.pods, controller.members):
            cache.synced.set()
        with pytest.raises(MissingLibrary) as caught:
            await controller._process("default/digits")
        controller._failed("default/digits", caught.value)
        await asyncio.gather(*controller._background)
        await controller.views.close()
        (shown,) = [c for c in server.statuses[0]["conditions"] if c["type"] == "Ready"]
        return dict(shown)

    shown = asyncio.run(ready())
    assert (shown["status"], shown["reason"]) == ("False", "MissingLibrary")
    assert "spec.algorithm.tpe: needs Optuna: pip install" in shown["message"]
    assert "Traceback" not in shown["message"]


def test_what_was_written_before_the_journal_went_away_is_told() -> None:
    """With the state that it led to: later its Events would be told against another one."""
    told: list[tuple[State, tuple[Entry, ...]]] = []

    async def show(key: str, state: State, entries: tuple[Entry, ...]) -> None:
        told.append((state, entries))

    async def fail() -> Controller:
        controller = Controller(Server(), Settings(), b"0" * 32)  # type: ignore[arg-type]
        controller.views.show = show  # type: ignore[method-assign]
        key = controller._known["default/digits"] = Key("default", "digits", "u1")
        controller.reconciler.states[str(key)] = STATE
        controller.reconciler.unshown[str(key)] = [ENTRY]
        for _ in range(2):
            controller._failed("default/digits", JournalUnavailableError("away"))
        await asyncio.gather(*controller._background)
        return controller

    controller = asyncio.run(fail())
    assert told == [(STATE, (ENTRY,)), (STATE, ())]
    assert not controller.reconciler.unshown
