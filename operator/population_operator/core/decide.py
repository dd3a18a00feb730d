"""The next entry of the journal, or nothing to do."""

from __future__ import annotations

from collections.abc import Callable

from population_operator.core import failure, phases, rounds, turns
from population_operator.core.fold import Draft, apply
from population_operator.core.observation import Observation, news
from population_operator.model.entry import Entry, Follows, Observed
from population_operator.model.state import State


def decide(state: State, observation: Observation, now: float) -> Entry | None:
    """The entry that follows from what is seen now; none where nothing is new or due.

    Pure and total: the same arguments give the same entry. Cost is linear in the population.

    Args:
      state: the fold of the journal so far.
      observation: the world as it is, including the experiment as the user wants it.
      now: seconds since the epoch.
    """
    return conclude(state, news(state, observation), now)


def conclude(state: State, observed: tuple[Observed, ...], now: float) -> Entry | None:
    """The entry with this first half: each policy sees what those before it decided."""
    draft = Draft(state, now)
    for event in observed:
        apply(draft, event)
    draft.mark()
    if draft.state.experiment is None:
        return None
    policies: tuple[Callable[[State], tuple[Follows, ...]], ...] = (
        phases.begin,
        lambda current: failure.losses(state, current, observed),
        lambda current: failure.stragglers(current, observed),
        lambda current: failure.failovers(current, observed),
        failure.replacements,
        phases.end,
        rounds.decisions,
        turns.turns,
        phases.clean_up,
    )
    decided: list[Follows] = []
    current = draft.freeze()
    for policy in policies:
        consequences = policy(current)
        for consequence in consequences:
            apply(draft, consequence)
        decided += consequences
        current = draft.freeze() if consequences else current
    if not observed and not decided:
        return None
    return Entry(seq=draft.state.seq, time=draft.now, observed=observed, decided=tuple(decided))
