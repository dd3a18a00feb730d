"""What `population run` prints without a terminal: lines for what happens, and for progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.console import Console
from rich.text import Text

from population_operator.app import words
from population_operator.app.cli.recent import failure_shape, notable
from population_operator.core.directives import finished
from population_operator.core.history import AcceptedReport, Happening
from population_operator.core.incidents import Incident
from population_operator.core.trials import bandit_of
from population_operator.model.entry import Phase
from population_operator.model.state import State

QUIET = 30.0
"""Seconds without a line after which one says how many trials have ended."""
ALIKE = 10.0
"""Seconds without a line after which failures that were only counted are told."""
STARTING = 2.0
"""Seconds without a line after which one says how many workers are ready."""


class Log:
    """Lines for a run as it goes.

    Each event that is worth it is a line, and so is each interval that all members have passed.
    Trials pass none together: a line says how many have ended when one of them made the best
    better, and after `QUIET` seconds. A failure is told in full once; others like it are counted,
    until somebody reports.

    Args:
      console: where to write.
      clock: seconds since the epoch.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._began = 0.0
        self._spoken = clock()
        self._interval = 0
        self._trials: tuple[int, int, str] = (0, 0, "")
        self._ready: int | None = None
        self._waits = True
        self._failures = _Failures()

    def resume(self, state: State) -> None:
        """Say where an earlier process left the run; what it told is not told again."""
        self._began = state.started_at
        parts = [words.plural(state.reports, "report")]
        if state.spec.spec.algorithm.trials:
            self._trials = state.reports, _ended(state), _best(state)
            parts.append(_trials_done(state))
        elif passed(state):
            self._interval = passed(state)
            parts.append(_intervals_done(state))
        said = ", ".join(parts) + _best(state)
        self._line(self._clock(), f"goes on from its journal: {said}")

    def update(self, state: State, news: Iterable[Happening], starting: frozenset[str]) -> None:
        """Take in what is new. `starting` are workers that run, and have never answered."""
        self._began = state.started_at
        trials = state.spec.spec.algorithm.trials
        if not trials:
            self._intervals(state)
        for happening in news:
            if isinstance(happening, AcceptedReport):
                self.close()
                self._failures = _Failures()
            elif notable(happening) and not self._failures.counts(happening):
                self._line(happening.time, words.sentence(happening))
                self._waits = self._waits and not isinstance(happening, Incident)
        if trials:
            self._trials_end(state)
        if self._waits:
            self._starts(state, starting)
        if self._quiet_for(ALIKE):
            self.close()

    def close(self) -> None:
        """Tell what was only counted so far."""
        if said := self._failures.told():
            self._print(self._failures.time, said)

    def _intervals(self, state: State) -> None:
        if (interval := passed(state)) > self._interval:
            self._interval = interval
            exploits = words.plural(state.exploits, "exploit")
            self._line(state.time, f"{_intervals_done(state)}; {exploits}{_best(state)}")

    def _trials_end(self, state: State) -> None:
        reports, before, best = self._trials
        is_better = _best(state) != best and _ended(state) > before
        if is_better or (state.reports > reports and self._quiet_for(QUIET)):
            self._trials = state.reports, _ended(state), _best(state)
            self._line(state.time, f"{_trials_done(state)}{_best(state)}")

    def _starts(self, state: State, starting: frozenset[str]) -> None:
        """How many workers are ready, where it takes them a while."""
        wanted = [worker for worker in state.workers.values() if worker.open]
        ready = sum(worker.started and worker.name not in starting for worker in wanted)
        if state.phase is not Phase.RUNNING or not wanted:
            return
        self._waits = ready < len(wanted)
        if ready == self._ready or (self._ready is None and not self._waits):
            return
        if self._waits and not self._quiet_for(STARTING):
            return
        self._ready = ready
        said = f"{ready} of {words.plural(len(wanted), 'worker')} ready"
        why = "; one that starts imports its libraries first" if self._waits else ""
        self._line(self._clock(), said + why)

    def _quiet_for(self, seconds: float) -> bool:
        return self._clock() - self._spoken >= seconds

    def _line(self, time: float, text: str) -> None:
        self.close()
        self._print(time, text)

    def _print(self, time: float, text: str) -> None:
        line = Text(f"{words.duration(time - self._began):>7}  {text}")
        self._console.print(line, soft_wrap=True, highlight=False)
        self._spoken = self._clock()


class _Failures:
    """Failures that are, but for numbers (of members, workers, seconds), like one told already."""

    def __init__(self) -> None:
        self.time = 0.0
        self._known: set[str] = set()
        self._again: list[str] = []

    def counts(self, happening: Happening) -> bool:
        """Whether it is one of them, and need not be told now."""
        if not isinstance(happening, Incident) or not (shape := failure_shape(happening)):
            return False
        if shape not in self._known:
            self._known.add(shape)
            return False
        self.time = happening.time
        self._again.append(happening.member or "")
        return True

    def told(self) -> str:
        """What was counted since this was asked last; nothing where nothing was."""
        count, whose = len(self._again), len({name for name in self._again if name})
        self._again.clear()
        of = f", of {words.plural(whose, 'member')}" if whose else ""
        return f"{words.plural(count, 'more failure')} like that{of}" if count else ""


def passed(state: State) -> int:
    """The number of intervals that every member has passed."""
    population, schedule = state.spec.spec.population, state.spec.spec.schedule
    if len(state.members) < max(population.members, 1):
        return 0
    return min(member.step for member in state.members.values()) // schedule.interval


def _ended(state: State) -> int:
    schedule = state.spec.spec.schedule
    return sum(finished(member, schedule) for member in state.members.values())


def _intervals_done(state: State) -> str:
    schedule = state.spec.spec.schedule
    return f"interval {passed(state)} of {-(-schedule.max_steps // schedule.interval)} is done"


def _trials_done(state: State) -> str:
    bandit = bandit_of(state)
    total = bandit.plan(state.spec).trials if bandit else None
    return f"{_ended(state)} of {total} trials ended" if total else f"{_ended(state)} trials ended"


def _best(state: State) -> str:
    if state.best is None:
        return ""
    metric, best = state.spec.spec.objective.metric, state.best
    return f"; best {metric} {words.number(best.score)} ({best.member}, step {best.step})"
