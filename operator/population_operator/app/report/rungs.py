"""Brackets and rungs: which trial came how far, and the scores by budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from population_operator.app import words
from population_operator.app.report.figure import GAP, Figure, Trace, line, score_axis, text
from population_operator.core.history import History
from population_operator.model.state import Member, RungResult

MAX_COLUMNS = 24
"""Rungs side by side; more are too narrow to read."""
MAX_LINES = 1500
SPREAD = 0.62
"""The width of a column's cloud of dots, where the distance to the next column is 1."""
BETWEEN = 0.7
"""The space between two brackets."""


@dataclass(frozen=True)
class Rungs:
    """The figure, and what it does not show, in words."""

    figure: Figure
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    """A rung of a bracket: where it stands, and the trials that came to its end."""

    at: float
    label: str
    results: tuple[tuple[Member, RungResult], ...]

    def place(self, index: int) -> float:
        """Where the dot of its index-th trial stands: from left to right as they began."""
        count = len(self.results)
        return self.at + (SPREAD * (index / (count - 1) - 0.5) if count > 1 else 0.0)


def rungs(history: History) -> Rungs | None:
    """The figure; none where no trial has come to the end of a rung."""
    found: dict[tuple[int, int], list[tuple[Member, RungResult]]] = defaultdict(list)
    for member in history.state.population:
        for result in member.rungs:
            found[result.bracket, result.rung].append((member, result))
    if not found:
        return None
    shown = sorted(found)[:MAX_COLUMNS]
    columns = _columns(history, {key: found[key] for key in shown})
    spec = history.state.spec.spec
    scores = [r.score for column in columns.values() for _, r in column.results]
    axis, below = score_axis(scores, spec.objective.goal, spec.objective.metric)
    data = [_ways(history, columns), *_dots(history, columns), *_winner(history, columns)]
    layout: dict[str, Any] = {"xaxis": _axis(columns), "yaxis": axis, "hovermode": "closest"}
    layout |= {"annotations": _heads(columns), "margin": {"t": 34}}
    described = f"Scores of {words.plural(len(history.state.members), 'trial')} by rung, in "
    described += f"{words.plural(len({b for b, _ in shown}), 'bracket')}."
    remarks = []
    if len(found) > len(shown):
        remarks.append(f"{len(found) - len(shown)} more rungs are not drawn.")
    bad = sum(r.score != r.score for column in columns.values() for _, r in column.results)
    if bad:
        remarks.append(f"{words.plural(bad, 'result')} that are no numbers have no dot.")
    if below:
        remarks.append(f"{words.plural(below, 'result')} far off are outside the frame.")
    return Rungs(Figure("rungs", "Scores by rung", described, 440, data, layout), tuple(remarks))


Columns = Mapping[tuple[int, int], _Column]


def _columns(
    history: History, found: Mapping[tuple[int, int], Sequence[tuple[Member, RungResult]]]
) -> Columns:
    made: dict[tuple[int, int], _Column] = {}
    at, before = 0.0, -1
    for (bracket, rung), results in found.items():
        at += 1.0 + (BETWEEN if bracket != before and made else 0.0)
        made[bracket, rung] = _Column(at, _label(history, *results[0]), tuple(results))
        before = bracket
    return made


def _label(history: History, member: Member, result: RungResult) -> str:
    """The budget of a rung: steps, or the part of the data."""
    block = history.state.spec.spec.algorithm.fabolas
    if block is not None and block.fraction is not None:
        return words.setting(member.decision.hyperparameters.get(block.fraction))
    return str(result.step)


def _ways(history: History, columns: Columns) -> Trace:
    """Threads between the rungs of each trial: its promotions."""
    x: list[Any] = []
    y: list[Any] = []
    for points in list(_points(columns).values())[:MAX_LINES]:
        if len(points) > 1:
            x += [*(at for at, _ in points), GAP]
            y += [*(score for _, score in points), GAP]
    threads = line("promotions", x, y, [], line={"color": "var(--thread)", "width": 1})
    threads.pop("hovertemplate")
    return threads | {"hoverinfo": "skip"}


def _points(columns: Columns) -> dict[str, list[tuple[float, float]]]:
    """Each trial's dots, from the lowest rung up."""
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for column in columns.values():
        for index, (member, result) in enumerate(column.results):
            points[member.name].append((column.place(index), result.score))
    return points


def _dots(history: History, columns: Columns) -> list[Trace]:
    """Trials that went on are full, those that ended or wait are hollow."""
    traces = []
    for goes_on, name in ((False, "ended"), (True, "went on")):
        x: list[Any] = []
        y: list[Any] = []
        hover: list[Any] = []
        for column in columns.values():
            for index, (member, result) in enumerate(column.results):
                if (member.rungs[-1] is not result) == goes_on:
                    x.append(column.place(index))
                    y.append(result.score)
                    hover.append(_hover(member, result))
        color = "var(--baseline)" if goes_on else "var(--card)"
        edge = {"width": 1.2, "color": "var(--baseline)" if goes_on else "var(--soft)"}
        dots = line(name, x, y, hover) | {"mode": "markers"}
        traces.append(dots | {"marker": {"size": 7, "color": color, "line": edge}})
    return traces


def _hover(member: Member, result: RungResult) -> str:
    said = f"{member.name}, rung {result.rung} of bracket {result.bracket}, step {result.step}"
    values = words.settings(member.decision.hyperparameters)
    return f"{text(said)}: <b>{text(words.number(result.score))}</b><br>{text(values)}"


def _winner(history: History, columns: Columns) -> list[Trace]:
    best = history.state.best
    points = _points(columns).get(best.member, []) if best is not None else []
    if best is None or not points:
        return []
    hover = [text(f"{best.member}, the best: {words.number(best.score)}")] * len(points)
    way = line("the best", [x for x, _ in points], [y for _, y in points], hover)
    way |= {"mode": "lines+markers", "line": {"color": "var(--accent)", "width": 2.4}}
    edge = {"color": "var(--card)", "width": 1.6}
    return [way | {"marker": {"size": 10, "color": "var(--accent)", "line": edge}}]


def _axis(columns: Columns) -> dict[str, Any]:
    """A tick for each column: its budget, and how many came to its end."""
    ticks = list(columns.values())
    return {
        "title": {"text": "budget, and trials that came to its end", "standoff": 10},
        "tickvals": [column.at for column in ticks],
        "ticktext": [f"{text(c.label)}<br>({len(c.results)})" for c in ticks],
        "range": [ticks[0].at - 0.6, ticks[-1].at + 0.6],
        "showgrid": False,
        "zeroline": False,
        "tickangle": 0,
    }


def _heads(columns: Columns) -> list[dict[str, Any]]:
    """The names of the brackets above their columns; none where there is one alone."""
    brackets: dict[int, list[float]] = defaultdict(list)
    for (bracket, _), column in columns.items():
        brackets[bracket].append(column.at)
    if len(brackets) < 2:
        return []
    few = len(columns) > 12
    return [
        {
            "x": sum(at) / len(at), "y": 1.0, "yref": "paper", "yanchor": "bottom", "yshift": 8,
            "text": str(bracket) if few else f"bracket {bracket}", "showarrow": False,
            "font": {"color": "var(--soft)", "size": 12},
        }
        for bracket, at in brackets.items()
    ]  # fmt: skip
