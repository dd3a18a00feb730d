"""The latest events of a run; failures that are alike are one of them, with their number."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from population_operator.app import words
from population_operator.core.history import DecisionTaken, Happening, PhaseEntered, SpecChanged
from population_operator.core.incidents import Incident, IncidentKind
from population_operator.model.decision import DecisionKind


def notable(happening: Happening) -> bool:
    """What is worth a line: not every report, nor that a member goes on as it was."""
    match happening:
        case DecisionTaken():
            return happening.moved or happening.decision.kind is DecisionKind.PROMOTE
        case Incident(kind=kind):
            # Told already: by the decision that replaces it, or by the loss of its worker.
            return kind is not IncidentKind.REPLACED
        case PhaseEntered():
            return True
        case SpecChanged():
            return happening.seq > 1
        case _:
            return False


def failure_shape(happening: Happening) -> str | None:
    """What failures that are alike have in common: all but numbers. None for other events."""
    kinds = (IncidentKind.GONE, IncidentKind.FAILED)
    if not isinstance(happening, Incident) or happening.kind not in kinds:
        return None
    return re.sub(r"\d+", "", words.sentence(happening))


class Recent:
    """At most `size` events, oldest first.

    A failure that is like one of them takes its place at the end: many of one kind would else hide
    everything that happened beside them.
    """

    def __init__(self, size: int) -> None:
        self._events: deque[tuple[float, Happening, int]] = deque(maxlen=size)

    def take(self, happenings: Iterable[Happening], began: float) -> None:
        """Add those that are worth a line; `began` is when the run did."""
        for happening in filter(notable, happenings):
            self.add(happening.time - began, happening)

    def add(self, seconds: float, happening: Happening) -> None:
        """`seconds` since the run's start."""
        shape, count = failure_shape(happening), 1
        for event in self._events if shape else ():
            if failure_shape(event[1]) == shape:
                count += event[2]
                self._events.remove(event)
                break
        self._events.append((seconds, happening, count))

    @property
    def lines(self) -> tuple[tuple[float, str], ...]:
        """Seconds since the start, and a sentence."""
        return tuple(
            (seconds, words.sentence(happening) + (f" ({count} like that)" if count > 1 else ""))
            for seconds, happening, count in self._events
        )
