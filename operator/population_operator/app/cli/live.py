"""What `population run` shows while it runs: a table on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from population_operator.app.cli.log import Log
from population_operator.app.cli.recent import Recent
from population_operator.app.cli.table import picture
from population_operator.core.history import Happening, History
from population_operator.model.state import State

FRAME = 0.1
"""Seconds between two pictures at least: the display must not cost what training needs."""

EVENTS = 5


def redraws(console: Console) -> bool:
    """Whether a picture can take the place of the one before. FORCE_COLOR makes no terminal."""
    return console.is_interactive and console.file.isatty()


class LiveTable:
    """Shows a run as it goes; a context manager, since a terminal must be left as it was found.

    On a terminal the whole picture is drawn again at most ten times a second. Elsewhere there are
    lines, see `Log`; on a dumb terminal, too.

    Args:
      console: where to write; by default a terminal or file behind stdout.
      clock: seconds since the epoch.
      starting: the workers that run, and have never answered.
    """

    def __init__(
        self,
        console: Console | None = None,
        clock: Callable[[], float] = time.time,
        starting: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._console = console or Console()
        self._clock = clock
        self._starting = starting
        self._log = Log(self._console, clock)
        self._told = 0
        self._recent = Recent(EVENTS)
        self._drawn = 0.0
        self._last: tuple[State, History] | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if redraws(self._console):
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
        else:
            self._log.close()

    def resume(self, state: State, history: History) -> None:
        """Take in where an earlier process left the run: its events are not told again."""
        self._remember(state, history)
        if self._live is None:
            self._log.resume(state)

    def update(self, state: State, history: History) -> None:
        """Take in where the run stands now. Cheap where nothing has changed."""
        if state.experiment is None:
            return
        self._last = (state, history)
        news = self._remember(state, history)
        if self._live is None:
            self._log.update(state, news, self._starting())
        elif self._clock() - self._drawn >= FRAME:
            self._draw(state, history)

    def _remember(self, state: State, history: History) -> Sequence[Happening]:
        """What is new since this was asked last."""
        news = history.happenings[self._told :]
        self._told = len(history.happenings)
        self._recent.take(news, state.started_at)
        return news

    def _draw(self, state: State, history: History) -> None:
        if self._live is None:
            return
        self._drawn = self._clock()
        size = self._console.size
        shown = picture(
            state,
            history,
            self._recent.lines,
            now=self._drawn,
            width=size.width,
            height=size.height,
            starting=self._starting(),
        )
        self._live.update(shown, refresh=True)
