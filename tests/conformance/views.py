"""What every view does. An adapter's test gives `window`, and inherits the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pytest

from population_operator.app.simulate import simulate
from population_operator.core.fold import fold
from population_operator.model.entry import Entry
from population_operator.model.state import State
from population_operator.ports import Views
from tests.builders import an_experiment
from tests.conformance.loop import in_a_loop
from tests.simulation.programs import Climb

KEY = "default/experiment"


@dataclass(frozen=True)
class Shown:
    """What somebody who looks sees of an experiment."""

    phase: str
    best: float | None
    steps: dict[str, int]


class Window(Protocol):
    """A view, and somebody who looks at it."""

    key: str
    """Of an experiment that exists there, and has not been shown yet."""
    views: Views

    async def look(self) -> Shown | None:
        """Once everything that was shown has arrived; nothing before the first time."""
        ...


def shown(state: State) -> Shown:
    return Shown(
        phase=str(state.phase),
        best=state.best.score if state.best else None,
        steps={m.name: m.step for m in state.population},
    )


Story = list[tuple[State, Entry]]


def a_story() -> Story:
    """A short run, entry by entry: each with the state after it."""
    experiment = an_experiment().size(3).steps(2, 6).synchronous().build()
    _, entries = simulate(experiment, Climb())
    states, state = [], State()
    for entry in entries:
        state = fold(state, entry)
        states.append((state, entry))
    return states


class ViewsConformance:
    """Inherit, and give a fixture `window`."""

    @pytest.fixture
    def window(self) -> Window:
        raise NotImplementedError

    @pytest.fixture
    def story(self) -> Story:
        return a_story()

    @in_a_loop
    async def test_nothing_is_there_before_the_first_time(self, window: Window) -> None:
        assert await window.look() is None

    @in_a_loop
    async def test_the_last_state_is_what_is_seen(self, window: Window, story: Story) -> None:
        for state, entry in story:
            await window.views.show(window.key, state, (entry,))
            assert await window.look() == shown(state)

    @in_a_loop
    async def test_showing_the_same_again_changes_nothing(
        self, window: Window, story: Story
    ) -> None:
        state, entry = story[-1]
        await window.views.show(window.key, state, (entry,))
        await window.views.show(window.key, state, ())
        await window.views.show(window.key, state, ())
        assert await window.look() == shown(state)

    @in_a_loop
    async def test_states_may_be_skipped(self, window: Window, story: Story) -> None:
        """Views are level: many entries at once, or a new view in the middle of a run."""
        middle, last = story[len(story) // 2][0], story[-1][0]
        await window.views.show(window.key, middle, ())
        await window.views.show(
            window.key, last, tuple(entry for _, entry in story[len(story) // 2 :])
        )
        assert await window.look() == shown(last)
