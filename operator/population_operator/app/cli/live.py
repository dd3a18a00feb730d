"""What `population run` shows while it runs: a table on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from population_operator.app import words
from population_operator.app.cli.table import picture
from population_operator.core.history import (
    DecisionTaken,
    Happening,
    History,
    PhaseEntered,
    SpecChanged,
)
from population_operator.core.incidents import Incident, IncidentKind
from population_operator.model.decision import DecisionKind
from population_operator.model.state import State

FRAME = 0.1
"""Seconds between two pictures at least: the display must not cost what training needs."""

EVENTS = 5


class LiveTable:
    """Shows a run as it goes; a context manager, since a terminal must be left as it was found.

    On a terminal the whole picture is drawn again at most ten times a second. Elsewhere each event
    is a line, and each interval that everybody has passed is one, too.

    Args:
      console: where to write; by default a terminal or file behind stdout.
      clock: seconds since the epoch.
    """

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._console = console or Console()
        self._clock = clock
        self._told = 0
        self._recent: deque[tuple[float, str]] = deque(maxlen=EVENTS)
        self._drawn = 0.0
        self._interval = 0
        self._last: tuple[State, History] | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, redirect_stderr=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            if self._last is not None:
                self._draw(*self._last)
            self._live.stop()
            self._live = None

    def update(self, state: State, history: History) -> None:
        """Take in where the run stands now. Cheap where nothing has changed."""
        if state.experiment is None:
            return
        self._last = (state, history)
        news = history.happenings[self._told :]
        self._told = len(history.happenings)
        told = [h for h in news if notable(h)]
        self._recent.extend((h.time - state.started_at, words.sentence(h)) for h in told)
        if self._live is None:
            self._log(state, told)
        elif self._clock() - self._drawn >= FRAME:
            self._draw(state, history)

    def _draw(self, state: State, history: History) -> None:
        if self._live is None:
            return
        self._drawn = self._clock()
        size = self._console.size
        shown = picture(
            state,
            history,
            tuple(self._recent),
            now=self._drawn,
            width=size.width,
            height=size.height,
        )
        self._live.update(shown, refresh=True)

    def _log(self, state: State, told: list[Happening]) -> None:
        interval = passed(state)
        if interval > self._interval:
            self._interval = interval
            self._line(state.time - state.started_at, _progress(state, interval))
        for happening in told:
            self._line(happening.time - state.started_at, words.sentence(happening))

    def _line(self, elapsed: float, text: str) -> None:
        line = Text(f"{words.duration(elapsed):>7}  {text}")
        self._console.print(line, soft_wrap=True, highlight=False)


def passed(state: State) -> int:
    """The number of intervals that every member has passed."""
    population, schedule = state.spec.spec.population, state.spec.spec.schedule
    if len(state.members) < max(population.members, 1) or state.spec.spec.algorithm.trials:
        return 0
    return min(member.step for member in state.members.values()) // schedule.interval


def _progress(state: State, interval: int) -> str:
    schedule = state.spec.spec.schedule
    line = f"interval {interval} of {-(-schedule.max_steps // schedule.interval)} is done"
    line += f"; {words.plural(state.exploits, 'exploit')}"
    if best := state.best:
        metric = state.spec.spec.objective.metric
        line += f"; best {metric} {words.number(best.score)} ({best.member}, step {best.step})"
    return line


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
