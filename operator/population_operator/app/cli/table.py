"""The picture of a run on a terminal: header, one row for each member, the latest events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.console import Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from population_operator.api import Goal, Parameter
from population_operator.app import words
from population_operator.app.cli.notes import Note, note_of
from population_operator.core.history import DecisionTaken, History
from population_operator.core.lineage import standing
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import Phase
from population_operator.model.report import merit
from population_operator.model.state import Member, State

BEST = "★"
COLORS = {
    Phase.PENDING: "yellow",
    Phase.RUNNING: "cyan",
    Phase.SUSPENDED: "yellow",
    Phase.COMPLETE: "green",
    Phase.FAILED: "red",
}
FIXED_WIDTH = 64
"""Columns of the table that are always there, roughly; the rest is for hyperparameters."""

NARROW = 76
"""On a terminal with fewer columns the bars and the workers are left out."""

OTHER_LINES = 7
"""Header, titles, what is left out, and space between, apart from rows and events."""


def picture(
    state: State,
    history: History,
    recent: Sequence[tuple[float, str]],
    *,
    now: float,
    width: int,
    height: int,
    starting: frozenset[str] = frozenset(),
) -> RenderableType:
    """Everything at once, in at most `height` lines.

    Args:
      recent: the latest events, oldest first: seconds since the start, and what happened.
      now: seconds since the epoch.
      width, height: of the terminal.
      starting: workers that run, and have never answered, where that is known.
    """
    space = max(height - OTHER_LINES, 1)
    events = [_event(at, text) for at, text in recent[len(recent) - min(len(recent), space // 3) :]]
    table = members(state, history, now, width, space - len(events), starting)
    return Group(header(state, now, starting), table, *([Text()] if events else []), *events)


def header(state: State, now: float, starting: frozenset[str] = frozenset()) -> RenderableType:
    """Two lines: what runs and how far it is; the best so far and what was decided."""
    spec = state.spec.spec
    color = COLORS[state.phase]
    first = Text.assemble(
        (state.spec.metadata.name, "bold"), "  ", (str(state.phase), f"bold {color}"),
        (f"  {words.duration(elapsed(state, now))}", "dim"),
    )  # fmt: skip
    if state.phase_message and state.phase is not Phase.RUNNING:
        first.append(f"  {words.one_line(state.phase_message)}", style="dim")
    first.no_wrap, first.overflow = True, "ellipsis"
    second = Text(no_wrap=True, overflow="ellipsis")
    up = "max" if spec.objective.goal is Goal.MAXIMIZE else "min"
    second.append(f"{spec.objective.metric} ({up}) ", style="dim")
    if best := state.best:
        second.append(f"{words.number(best.score)}", style="bold magenta")
        second.append(f" by {best.member} at step {best.step}", style="dim")
        for name in spec.objective.report:
            if name in best.metrics:
                second.append(f"  {name} ", style="dim")
                second.append(words.number(best.metrics[name]))
    else:
        second.append("no score yet", style="dim")
    second.append(
        f"  {words.plural(state.decisions, 'decision')}"
        f"  {words.plural(state.exploits, 'exploit')}  {_busy(state, starting)}",
        style="dim",
    )
    return Group(first, second, Text())


def elapsed(state: State, now: float) -> float:
    """Seconds from the start to the end, or until now."""
    if not state.started_at:
        return 0.0
    return (state.ended_at or max(now, state.time)) - state.started_at


def members(
    state: State,
    history: History,
    now: float,
    width: int,
    rows: int,
    starting: frozenset[str] = frozenset(),
) -> RenderableType:
    """The table of members; where they are more than `rows`, the best and those with trouble."""
    notes = {m.name: note_of(state, m, now, starting) for m in state.members.values()}
    shown = chosen(state, notes, rows)
    parameters = _fitting(state.spec.spec.parameters, width)
    columns = [c for c in _columns(state, history, notes, parameters) if width >= c.min_width]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in columns:
        right: JustifyMethod = "right" if column.right else "left"
        # Only the last column gives way where there is too little room: it is words.
        table.add_column(column.title, justify=right, no_wrap=column is not columns[-1])
    for member in shown:
        table.add_row(*(column.cell(member) for column in columns))
    hidden = len(state.members) - len(shown)
    missing = len(state.spec.spec.parameters) - len(parameters)
    footer = [f"{words.plural(hidden, 'more member')}"] if hidden else []
    footer += [f"{words.plural(missing, 'more hyperparameter')}"] if missing else []
    if not footer:
        return table
    return Group(table, Padding(Text(f"+ {', '.join(footer)}", style="dim"), (0, 0, 0, 2)))


def chosen(state: State, notes: dict[str, Note], rows: int) -> list[Member]:
    """All members by index, or those with trouble and then the best, by rank."""
    if len(state.members) <= rows:
        return list(state.population)
    goal = state.spec.spec.objective.goal

    def rank(member: Member) -> tuple[bool, float, int]:
        report = standing(member)
        score = merit(goal, report.score) if report else float("-inf")
        return not notes[member.name].trouble, -score, member.index

    return sorted(state.members.values(), key=rank)[:rows]


def _fitting(parameters: tuple[Parameter, ...], width: int) -> list[Parameter]:
    found: list[Parameter] = []
    room = width - FIXED_WIDTH
    for parameter in parameters:
        room -= max(len(parameter.name), 8) + 2
        if room < 0 and found:
            break
        found.append(parameter)
    return found


class Column(NamedTuple):
    """A column of the table of members, on a terminal with at least so many columns."""

    title: str
    cell: Callable[[Member], RenderableType]
    right: bool = False
    min_width: int = 0


def _columns(
    state: State, history: History, notes: Mapping[str, Note], parameters: Iterable[Parameter]
) -> Iterator[Column]:
    max_steps, best = state.spec.spec.schedule.max_steps, state.best
    winner = best.member if best else None

    def name(member: Member) -> Text:
        text = Text(member.name, style="bold" if member.name == winner else "")
        return text.append(" =", style="dim") if member.baseline else text

    def bar(member: Member) -> ProgressBar:
        return ProgressBar(total=max_steps, completed=min(member.step, max_steps), width=8)

    def score(member: Member) -> Text:
        report = standing(member)
        shown = words.number(report.score if report else None)
        return Text(shown, style="magenta" if member.name == winner else "")

    def note(member: Member) -> Text:
        said = notes[member.name]
        style = "yellow" if said.trouble else "dim"
        return Text(said.text, style=style, no_wrap=True, overflow="ellipsis")

    yield Column("", lambda m: Text(BEST if m.name == winner else " ", style="magenta"))
    yield Column("member", name)
    yield Column("step", lambda m: Text(str(m.step)), right=True)
    yield Column("", bar, min_width=NARROW)
    yield Column("score", score, right=True)
    for parameter in parameters:
        yield Column(parameter.name, _setting(parameter.name), right=True)
    yield Column("from", lambda m: Text(_came_from(history.moves.get(m.name)), style="dim"))
    yield Column("worker", lambda m: Text(m.worker or "", style="dim"), min_width=NARROW)
    yield Column("", note)


def _setting(name: str) -> Callable[[Member], Text]:
    return lambda m: Text(words.setting(m.decision.hyperparameters.get(name)), style="cyan")


def _came_from(move: DecisionTaken | None) -> str:
    """The last copy: `m1 @400`."""
    if move is None or move.decision.source is None:
        return ""
    source = move.decision.source
    mark = "" if move.decision.kind is DecisionKind.EXPLOIT else "!"
    return f"{mark}{source.member} @{source.step}"


def _busy(state: State, starting: frozenset[str]) -> str:
    open_ = [w for w in state.workers.values() if w.open]
    ready = [w for w in open_ if w.started and w.name not in starting]
    busy = [w for w in ready if w.member and not state.members[w.member].reported]
    said = f"{len(busy)}/{state.spec.spec.population.workers} workers busy"
    return said if len(ready) == len(open_) else f"{said}, {len(open_) - len(ready)} starting"


def _event(at: float, text: str) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{words.duration(at):>7}  ", style="dim")
    line.append(text)
    return line
