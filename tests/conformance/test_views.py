"""The views of the runtimes that need no cluster."""

from __future__ import annotations

import asyncio

import pytest

from population_operator.adapters.simulation import MemoryViews
from population_operator.app.embedded import ListeningViews
from population_operator.core.history import History
from population_operator.model.state import State
from tests.conformance.views import KEY, Shown, ViewsConformance, Window, a_story, shown


class Memory:
    key = KEY

    def __init__(self) -> None:
        self.views = MemoryViews()

    async def look(self) -> Shown | None:
        state = self.views.states.get(KEY)
        return shown(state) if state else None


class TestMemoryViews(ViewsConformance):
    @pytest.fixture
    def window(self) -> Window:
        return Memory()


def test_a_listener_hears_the_state_and_a_history_of_the_same_entries() -> None:
    heard: list[tuple[State, History]] = []
    views = ListeningViews(lambda state, history: heard.append((state, history)))
    for state, entry in a_story():
        asyncio.run(views.show(KEY, state, (entry,)))
        assert heard[-1][0] == heard[-1][1].state == state
