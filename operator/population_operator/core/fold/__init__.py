"""The only way in which state changes: `fold(state, entry)`."""

from __future__ import annotations

from population_operator.core.fold import decided, observed
from population_operator.core.fold.draft import Draft
from population_operator.model.entry import Entry, Follows, Observed
from population_operator.model.state import State

__all__ = ["Draft", "JournalGapError", "apply", "fold", "must_be_next"]


class JournalGapError(ValueError):
    """An entry does not follow the last one: the journal has a hole, or is another's."""


def must_be_next(state: State, entry: Entry) -> None:
    """Refuse an entry that is not the next one.

    Raises:
      JournalGapError: it is not.
    """
    if entry.seq != state.seq + 1:
        raise JournalGapError(f"entry {entry.seq} does not follow entry {state.seq}")


def apply(draft: Draft, event: Observed | Follows) -> None:
    """What one event of an entry does to the state."""
    handler = observed.EFFECTS.get(type(event)) or decided.EFFECTS[type(event)]
    handler(draft, event)


def fold(state: State, entry: Entry) -> State:
    """The state after `entry`.

    Total over every entry that `decide` can produce; an event about a worker, member or directive
    that is not current changes nothing but its books.

    Raises:
      JournalGapError: the entry's number is not the next one.
    """
    must_be_next(state, entry)
    draft = Draft(state, entry.time)
    for event in entry.observed:
        apply(draft, event)
    draft.mark()
    for consequence in entry.decided:
        apply(draft, consequence)
    return draft.freeze()
