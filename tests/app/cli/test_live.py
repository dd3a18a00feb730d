"""The live table: on a terminal it fits and shows who matters, in a log it is lines."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from population_operator.app.cli.live import LiveTable
from population_operator.app.cli.notes import note_of
from population_operator.app.cli.recent import Recent, notable
from population_operator.app.cli.table import chosen, picture
from population_operator.core.history import History, history
from tests.journals import Remembers, Run, a_run, crashing, small


@pytest.fixture(scope="module")
def run() -> Run:
    return a_run(small().initial({"lr": 0.9}), Remembers(0.6), crashing())


def printed(run: Run, width: int, height: int, upto: int | None = None) -> list[str]:
    """The picture after so many entries, as lines."""
    found = history(run.entries[:upto])
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    recent = [(1.0, "m1 copies m2 at step 10: lr 0.1 -> 0.08")] * 5
    shown = picture(found.state, found, recent, now=found.state.time, width=width, height=height)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def followed(run: Run, console: Console) -> str:
    found = History()
    with LiveTable(console, clock=lambda: found.state.time) as table:
        table.update(found.state, found)
        for entry in run.entries:
            found.add(entry)
            table.update(found.state, found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_has_a_line_for_each_event_and_interval(run: Run) -> None:
    out = followed(run, Console(file=io.StringIO(), width=80))
    lines = out.splitlines()
    assert "\x1b" not in out
    assert sum(" copies " in line for line in lines) == run.state.exploits
    assert sum("is done;" in line for line in lines) == 8
    assert "Running: Started" in lines[0]
    assert lines[-1].endswith("Complete: all 6 members reached step 80")
    assert any("failed on w1: Exited: exit code 1: boom" in line for line in lines)
    assert not any("continues at step" in line for line in lines)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_left_as_it_was(run: Run) -> None:
    environment = {"TERM": "xterm"}
    out = followed(run, Console(file=Terminal(), width=100, height=30, _environ=environment))
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 1
    assert "Complete" in out.rsplit("\x1b[?25l", 1)[1]


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        (io.StringIO, {"TERM": "xterm", "FORCE_COLOR": "1"}),
        (Terminal, {"TERM": "dumb"}),
    ],
)
def test_what_cannot_be_drawn_on_again_gets_lines(
    run: Run, file: type[io.StringIO], environment: dict[str, str]
) -> None:
    out = followed(run, Console(file=file(), width=80, _environ=environment))
    assert not re.search(r"\x1b\[(?!\d*(;\d+)*m)", out)  # Colors at most.
    assert sum(" copies " in line for line in out.splitlines()) == run.state.exploits


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 12), (200, 16)])
def test_it_fits(run: Run, width: int, height: int) -> None:
    for upto in (1, 5, 20, None):
        lines = printed(run, width, height, upto)
        assert len(lines) <= height
        assert all(len(line) <= width for line in lines)


def test_it_shows_what_a_member_is_about(run: Run) -> None:
    best = run.state.best
    assert best is not None
    lines = printed(run, 120, 40)
    row = next(line for line in lines if line.startswith("★"))
    assert best.member in row
    assert f"{best.score:.4g}" in row
    assert any("@" in line for line in lines)
    assert any("lr" in line and "member" in line for line in lines)


def test_trouble_comes_first_where_not_all_fit(run: Run) -> None:
    for upto in range(1, len(run.entries) + 1):
        found = history(run.entries[:upto])
        notes = {
            m.name: note_of(found.state, m, found.state.time) for m in found.state.members.values()
        }
        troubled = {name for name, note in notes.items() if note.trouble}
        if troubled and len(troubled) <= 2:
            break
    else:
        pytest.fail("nobody ever was in trouble")
    shown = {member.name for member in chosen(found.state, notes, 2)}
    assert troubled <= shown
    assert len(shown) == 2
    assert len(chosen(found.state, notes, 6)) == 6


def test_notes_say_what_a_member_waits_for(run: Run) -> None:
    said = set()
    for upto in range(1, len(run.entries) + 1):
        found = history(run.entries[:upto])
        for member in found.state.members.values():
            said.add(note_of(found.state, member, found.state.time).text)
    assert {"waits for a worker", "waits for the others", "trains to 20"} <= said
    assert "waits until w0 has started" in said
    assert any(text.startswith("tries again in ") for text in said)


def test_words_of_workers_cannot_style_the_terminal() -> None:
    def fault(simulation, count: int) -> None:  # type: ignore[no-untyped-def]
        if count == 5:
            simulation.fleet.kill("w0", detail="[red]x[/]\x1b[31m\nsecond line")

    run = a_run(small(), fault=fault)
    out = followed(run, Console(file=io.StringIO(), width=200))
    assert "\x1b" not in out
    assert "[red]x[/]" in out
    assert "second line; tries again" in out


def test_failures_that_are_alike_leave_room_for_other_events() -> None:
    def fault(simulation, count: int) -> None:  # type: ignore[no-untyped-def]
        if 5 <= count < 25:
            for worker in ("w0", "w1"):
                simulation.fleet.kill(worker, detail=f"boom in logs/{worker}.log")

    run = a_run(small(), fault=fault)
    found, recent = history(run.entries), Recent(5)
    told, most = 0, 0
    for happening in filter(notable, found.happenings):
        recent.add(happening.time, happening)
        told += 1
        lines = [text for _, text in recent.lines]
        assert sum("boom in logs" in text and " failed on " in text for text in lines) <= 1
        most = max([most, *(int(n) for n in re.findall(r"\((\d+) like that\)", "".join(lines)))])
        assert len(lines) == min(5, len(lines))
    assert told > 5
    assert most > 3
