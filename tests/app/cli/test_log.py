"""Lines where there is no terminal: enough to see that it goes on, and none twice."""

from __future__ import annotations

import io
import re
from itertools import pairwise

from rich.console import Console

from population_operator.app.cli.live import LiveTable
from population_operator.app.cli.log import QUIET, STARTING, _ended, passed
from population_operator.app.simulate import Simulation, simulate
from population_operator.core.history import History, history
from population_operator.model.entry import Cause, Entry
from tests.algorithms.bandits import a_bandit
from tests.app.cli.test_live import Terminal
from tests.journals import a_run, small
from tests.simulation.test_bandits import Learning


def logged(entries: tuple[Entry, ...]) -> list[str]:
    """The lines of a run, as if each entry were looked at when it is written."""
    found, out = History(), io.StringIO()
    with LiveTable(Console(file=out, width=80), clock=lambda: found.state.time) as table:
        for entry in entries:
            found.add(entry)
            table.update(found.state, found)
    return out.getvalue().splitlines()


# --- trials ---


def test_trials_that_make_the_best_better_are_told_when_they_end() -> None:
    experiment = a_bandit("grid", workers=2, points=4).steps(1, 4).build()
    state, entries = simulate(experiment, Learning())
    told = [line for line in logged(entries) if "trials ended" in line]
    assert state.best is not None
    assert 1 <= len(told) <= 4
    assert f"of 4 trials ended; best score {state.best.score:.4g} (m3, step 4)" in told[-1]


def test_slow_trials_are_told_now_and_then() -> None:
    experiment = a_bandit("tpe", 3, 1).steps(1, 20).build()
    _, entries = simulate(experiment, Learning(), seconds_per_step={"w0": 7.0})
    told = [line for line in logged(entries) if "of 3 trials ended" in line]
    seconds = [_seconds(line) for line in told]
    assert len(told) > 5
    assert all(after - before <= QUIET + 7 for before, after in pairwise(seconds))
    assert "0 of 3 trials ended; best score" in told[0]


def test_how_many_trials_there_will_be_may_not_be_known() -> None:
    limited = a_bandit("asha", workers=2).steps(1, 4).set("spec.schedule.maxDuration", "1m")
    _, entries = simulate(limited.build(), Learning(), seconds_per_step={"w0": 2.0, "w1": 2.0})
    assert any(re.search(r"s  \d+ trials ended; best", line) for line in logged(entries))


def _seconds(line: str) -> int:
    minutes, seconds = re.findall(r"^ *(?:(\d+)m )?(\d+)s", line)[0]
    return int(minutes or 0) * 60 + int(seconds)


# --- failures ---


def test_failures_that_are_alike_are_told_once_and_counted() -> None:
    def fault(simulation: Simulation, count: int) -> None:
        for worker in ("w0", "w1"):
            simulation.fleet.kill(worker, Cause.EXITED, detail=f"boom; see logs/{worker}.log")

    run = a_run(small(), fault=fault, steps=400)
    assert run.state.phase.ended
    lines = logged(run.entries)
    whole = [line for line in lines if " failed on " in line]
    counted = [int(n) for n in re.findall(r"(\d+) more failures? like that", "\n".join(lines))]
    failures = sum(e.kind == "member_failed" for entry in run.entries for e in entry.decided)
    assert len(whole) == 1
    assert "boom; see logs/w" in whole[0]
    assert 1 + sum(counted) == failures > 10
    assert len(lines) < failures
    assert "Failed: " in lines[-1]


def test_another_failure_is_told_and_so_is_one_after_a_report() -> None:
    def fault(simulation: Simulation, count: int) -> None:
        if count in (3, 30):
            simulation.fleet.kill("w0", Cause.EXITED, detail="one")
        if count == 4:
            simulation.fleet.kill("w1", Cause.EXITED, detail="other")

    lines = logged(a_run(small(), fault=fault).entries)
    told = [re.findall("Exited: ([a-z]+)", line)[0] for line in lines if " failed on " in line]
    assert told == ["one", "other", "one"]
    assert not any("like that" in line for line in lines)


def test_a_trial_that_is_given_up_is_told_so() -> None:
    def fault(simulation: Simulation, count: int) -> None:
        if 4 <= count <= 20:
            simulation.fleet.kill("w0", Cause.EXITED, detail="boom")

    experiment = a_bandit("grid", workers=1, points=4).steps(1, 4).max_restarts(1)
    run = a_run(experiment, Learning(), fault=fault)
    told = [line for line in logged(run.entries) if "boom" in line]
    assert "boom; tries again in" in told[0]
    ends = [
        line for line in told if line.endswith("boom; that was its last try, and the trial ends")
    ]
    assert len(ends) == 1, told


# --- workers that start ---


class Starting:
    """A log of a run whose two workers exist, and take their time until they answer."""

    def __init__(self) -> None:
        self.history = History()
        for entry in a_run(small()).entries:
            self.history.add(entry)
            workers = self.history.state.workers.values()
            if workers and all(worker.started for worker in workers):
                break
        assert self.history.state.reports == 0 and len(workers) == 2
        self.now = self.history.state.time
        self.silent = frozenset({"w0", "w1"})
        self.out = io.StringIO()
        self.table = LiveTable(Console(file=self.out), lambda: self.now, lambda: self.silent)

    def after(self, seconds: float, *ready: str) -> list[str]:
        """The lines about workers, when so much time has passed and these are ready, too."""
        self.now += seconds
        self.silent -= set(ready)
        self.table.update(self.history.state, self.history)
        lines = self.out.getvalue().splitlines()
        return [line.split("s  ")[1] for line in lines if " ready" in line]


def test_workers_that_take_a_while_to_start_are_told() -> None:
    log = Starting()
    why = "; one that starts imports its libraries first"
    assert log.after(STARTING / 2) == []
    assert log.after(0.1) == [], "it is not so long that anybody wonders"
    waits = [f"0 of 2 workers ready{why}"]
    assert log.after(STARTING) == waits
    assert log.after(60) == waits, "nothing has changed"
    waits.append(f"1 of 2 workers ready{why}")
    assert log.after(0, "w1") == waits
    waits.append("2 of 2 workers ready")
    assert log.after(0, "w0") == waits
    log.silent = frozenset({"w0"})
    assert log.after(60) == waits, "only the first time is a time to wonder"


def test_workers_that_start_at_once_are_not_told() -> None:
    log = Starting()
    assert log.after(STARTING / 2, "w0", "w1") == []
    assert log.after(60) == []


def test_the_table_says_who_starts() -> None:
    log = Starting()
    out = Terminal()
    console = Console(file=out, width=120, height=30, _environ={"TERM": "xterm"})
    with LiveTable(console, lambda: log.now, lambda: frozenset({"w1"})) as table:
        table.update(log.history.state, log.history)
    assert "1/2 workers busy, 1 starting" in out.getvalue()
    assert "waits until w1 has started" in out.getvalue()
    assert "waits until w0 has started" not in out.getvalue()


# --- a run that goes on ---


def resumed(entries: tuple[Entry, ...], known: int) -> list[str]:
    """The lines of a process that finds so many entries in the journal, and sees the others."""
    before, found, out = history(entries[:known]), History(), io.StringIO()
    for entry in entries[:known]:
        found.add(entry)
    with LiveTable(Console(file=out, width=80), clock=lambda: found.state.time) as table:
        table.resume(before.state, before)
        for entry in entries[known:]:
            table.update(found.state, found)
            found.add(entry)
        table.update(found.state, found)
    return out.getvalue().splitlines()


def test_a_run_that_goes_on_says_where_it_was_and_tells_only_what_is_new() -> None:
    entries = a_run(small()).entries
    whole = logged(entries)
    known = next(n for n in range(1, len(entries)) if passed(history(entries[:n]).state) == 6)
    before = history(entries[:known]).state
    first, *rest = resumed(entries, known)
    assert f"goes on from its journal: {before.reports} reports, interval 6 of 8 is done" in first
    assert before.best is not None
    assert f"best score {before.best.score:.4g}" in first
    assert rest == whole[-len(rest) :]
    assert sum("is done" in line for line in rest) == 2


def test_trials_that_go_on_say_how_many_have_ended() -> None:
    experiment = a_bandit("grid", workers=2, points=4).steps(1, 4).build()
    _, entries = simulate(experiment, Learning())
    known = next(n for n in range(1, len(entries)) if _ended(history(entries[:n]).state) == 2)
    first, *rest = resumed(entries, known)
    assert "reports, 2 of 4 trials ended; best score" in first
    assert any(" Complete: " in line for line in rest)
    assert "4 of 4 trials ended" in rest[-1]
    assert not any("Running: Started" in line for line in rest)
