"""Replays a journal: does each second half follow from its first half?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from population_operator.core.decide import conclude
from population_operator.core.fold import JournalGapError, fold, must_be_next
from population_operator.model.entry import Entry
from population_operator.model.state import State


@dataclass(frozen=True)
class Divergence:
    """The first entry that does not follow, and why."""

    seq: int
    reason: str


@dataclass(frozen=True)
class Verdict:
    """How many entries were replayed, the state they add up to, and what went wrong if anything."""

    entries: int
    state: State
    divergence: Divergence | None = None


def verify(entries: Iterable[Entry]) -> Verdict:
    """Feed the observed half of each entry to `decide` and compare the decided half."""
    state, count = State(), 0
    for entry in entries:
        if reason := _reason(state, entry):
            return Verdict(count, state, Divergence(entry.seq, reason))
        # Not before: `fold` is total only over what follows.
        state, count = fold(state, entry), count + 1
    return Verdict(count, state)


def _reason(state: State, entry: Entry) -> str:
    """Why the entry does not follow; nothing where it does."""
    try:
        must_be_next(state, entry)
        expected = conclude(state, entry.observed, entry.time)
    except JournalGapError as error:
        return str(error)
    except (LookupError, ValueError) as error:  # No such thing was ever observed.
        return f"what it observed cannot be replayed ({type(error).__name__}: {error})"
    if expected is None or expected.decided != entry.decided:
        return _difference(expected, entry)
    return ""


def _difference(expected: Entry | None, entry: Entry) -> str:
    wanted = expected.decided if expected else ()
    for index, (mine, theirs) in enumerate(zip(wanted, entry.decided, strict=False)):
        if mine != theirs:
            return (
                f"decided[{index}]: recorded {theirs.model_dump_json(exclude_defaults=True)}, "
                f"replayed {mine.model_dump_json(exclude_defaults=True)}"
            )
    return f"{len(entry.decided)} events were recorded, {len(wanted)} follow"
