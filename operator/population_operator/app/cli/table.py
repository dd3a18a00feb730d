"""The picture of a run on a terminal: header, one row for each member, the latest events."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
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
FIXED_WIDTH = 62
"""Columns of the table that are always there, roughly; the rest is for hyperparameters."""


def picture(
    state: State,
    history: History,
    recent: Sequence[tuple[float, str]],
    *,
    now: float,
    width: int,
    height: int,
) -> RenderableType:
    """Everything at once, in at most `height` lines.

    Args:
      recent: the latest events, oldest first: seconds since the start, and what happened.
      now: seconds since the epoch.
      width, height: of the terminal.
    """
    events = [_event(at, text) for at, text in recent]
    room = max(height - len(events) - 9, 3)
    parts: list[RenderableType] = [header(state, now), members(state, history, now, width, room)]
    return Group(*parts, *([Text()] if events else []), *events)


def header(state: State, now: float) -> RenderableType:
    """Two lines: what runs and how far it is; the best so far and what was decided."""
    spec = state.spec.spec
    color = COLORS[state.phase]
    first = Text.assemble(
        (state.spec.metadata.name, "bold"), "  ", (str(state.phase), f"bold {color}"),
        (f"  {words.duration(elapsed(state, now))}", "dim"),
    )  # fmt: skip
    if state.phase_message and state.phase is not Phase.RUNNING:
        first.append(f"  {words.one_line(state.phase_message)}", style="dim")
    second = Text()
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
        f"  {words.plural(state.exploits, 'exploit')}  {_busy(state)}",
        style="dim",
    )
    return Group(first, second, Text())


def elapsed(state: State, now: float) -> float:
    """Seconds from the start to the end, or until now."""
    if not state.started_at:
        return 0.0
    return (state.ended_at or max(now, state.time)) - state.started_at


def members(state: State, history: History, now: float, width: int, rows: int) -> RenderableType:
    """The table of members; where they are more than `rows`, the best and those with trouble."""
    notes = {m.name: note_of(state, m, now) for m in state.members.values()}
    shown = chosen(state, notes, rows)
    parameters = _fitting(state.spec.spec.parameters, width)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, justify in (("", "left"), ("member", "left"), ("step", "right"), ("", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("score", justify="right", no_wrap=True)
    for parameter in parameters:
        table.add_column(parameter.name, justify="right", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("worker", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    for member in shown:
        table.add_row(*_row(state, history, member, parameters, notes[member.name]))
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


def _row(
    state: State, history: History, member: Member, parameters: list[Parameter], note: Note
) -> list[RenderableType]:
    schedule, best, report = state.spec.spec.schedule, state.best, standing(member)
    is_best = best is not None and best.member == member.name
    values = member.decision.hyperparameters
    done = min(member.step, schedule.max_steps)
    bar = ProgressBar(total=schedule.max_steps, completed=done, width=8)
    name = Text(member.name, style="bold" if is_best else "")
    if member.baseline:
        name.append(" =", style="dim")
    return [
        Text(BEST if is_best else " ", style="magenta"),
        name,
        Text(str(member.step)),
        bar,
        Text(words.number(report.score if report else None), style="magenta" if is_best else ""),
        *(Text(words.setting(values.get(p.name)), style="cyan") for p in parameters),
        Text(_came_from(history.moves.get(member.name)), style="dim"),
        Text(member.worker or "", style="dim"),
        Text(note.text, style="yellow" if note.trouble else "dim"),
    ]


def _came_from(move: DecisionTaken | None) -> str:
    """The last copy: `m1 @400`."""
    if move is None or move.decision.source is None:
        return ""
    source = move.decision.source
    mark = "" if move.decision.kind is DecisionKind.EXPLOIT else "!"
    return f"{mark}{source.member} @{source.step}"


def _busy(state: State) -> str:
    workers = state.spec.spec.population.workers
    busy = [
        w for w in state.workers.values()
        if w.open and w.member and not state.members[w.member].reported
    ]  # fmt: skip
    return f"{len(busy)}/{workers} workers busy"


def _event(at: float, text: str) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{words.duration(at):>7}  ", style="dim")
    line.append(text)
    return line
