"""The loop: observe, decide, append, act, show. It sees only the core and the ports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import reduce

from population_operator.api import PopulationExperiment
from population_operator.core.deadlines import next_deadline
from population_operator.core.decide import decide
from population_operator.core.desired import desired
from population_operator.core.fold import fold
from population_operator.core.observation import Observation
from population_operator.model.entry import Entry
from population_operator.model.state import State
from population_operator.ports import (
    Clock,
    ConflictError,
    Fleet,
    Journal,
    JournalUnavailableError,
    Views,
)

ENTRIES_A_PASS = 16
"""After so many entries, views are shown and other experiments get their turn."""

Decide = Callable[[State, Observation, float], Awaitable[Entry | None]]


async def in_thread(state: State, observation: Observation, now: float) -> Entry | None:
    """Decide off the event loop, which goes on serving every other worker meanwhile."""
    return await asyncio.to_thread(decide, state, observation, now)


def replayed(entries: tuple[Entry, ...]) -> State:
    """What a whole journal adds up to."""
    return reduce(fold, entries, State())


@dataclass
class Reconciler:
    """Reconciles experiments, one call at a time for each key.

    `states` is a cache of folds, nothing else: without it, or after a conflict, the journal is
    read again; so are those of the `doubtful`, whose journal may have more. `unshown` are entries
    that the views have not been shown: a pass may die before it comes to that.
    """

    journal: Journal
    fleet: Fleet
    views: Views
    clock: Clock
    decide: Decide = in_thread
    states: dict[str, State] = field(default_factory=dict)
    unshown: dict[str, list[Entry]] = field(default_factory=dict)
    listening: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)

    async def reconcile(self, key: str, experiment: PopulationExperiment) -> float | None:
        """One pass. Returns when (seconds since the epoch) to come back without any news.

        Whatever dies between two lines of this function: what was appended is acted on by the next
        pass, what was not appended never happened. Each entry is acted on as soon as it is durable:
        workers wait for it. What came in while it was written is looked at before the pass ends.
        """
        state, acted = await self.load(key), None
        if key not in self.listening and state.experiment is not None:
            # Reports may lie ready that the last operator did not take in: nobody is judged by the
            # journal alone.
            await self.fleet.listen(key, desired(state), state)
            self.listening.add(key)
        due: float | None = self.clock.now()  # Unless it is found that nothing is left to decide.
        for _ in range(ENTRIES_A_PASS):
            observation = await self.fleet.observe(key, experiment)
            entry = await self.decide(state, observation, now := self.clock.now())
            if entry is None:
                due = next_deadline(state, now)
                break
            try:
                entry = await self.journal.append(key, entry)
            except ConflictError:
                state = await self._reload(key)
                continue
            except JournalUnavailableError:
                self._doubt(key)  # Whether it was written is not known: the journal will tell.
                raise
            state = self.states[key] = fold(state, entry)
            self.unshown.setdefault(key, []).append(entry)
            await self._act(key, state)
            acted = state
        if acted is not state:
            await self._act(key, state)
        await self.views.show(key, state, tuple(self.unshown.get(key, ())))
        self.unshown.pop(key, None)
        return due

    async def load(self, key: str) -> State:
        """Where the experiment stands; an empty state before it has begun."""
        known = None if key in self.doubtful else self.states.get(key)
        return known or await self._reload(key)

    async def _act(self, key: str, state: State) -> None:
        try:
            await self.fleet.apply(key, desired(state), state)
        except ConflictError:
            self._doubt(key)  # The world is ahead of this state: somebody else decides, too.
            raise

    async def _reload(self, key: str) -> State:
        known, entries = self.states.get(key), await self.journal.load(key)
        state = await asyncio.to_thread(replayed, entries) if entries else State()
        if known is not None:
            newer = (entry for entry in entries if entry.seq > known.seq)
            self.unshown.setdefault(key, []).extend(newer)
        self.states[key] = state
        self.doubtful.discard(key)
        return state

    def _doubt(self, key: str) -> None:
        self.doubtful.add(key)
        self.listening.discard(key)

    def forget(self, key: str) -> None:
        """Drop the cached state of an experiment that does not exist any more."""
        self.states.pop(key, None)
        self.unshown.pop(key, None)
        self.listening.discard(key)
        self.doubtful.discard(key)
