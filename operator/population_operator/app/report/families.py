"""The family picture: a row for each member, a color for each founder, an arc for each copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from population_operator.app import words
from population_operator.app.report.cast import Cast
from population_operator.app.report.figure import GAP, Figure, Trace, line, steps_axis, text
from population_operator.core.history import DecisionTaken
from population_operator.core.lineage import Branch

MAX_ARCS = 400
BENDS = 8
"""Straight pieces that an arc is drawn with."""


def families(cast: Cast) -> Figure:
    """Bars of training, colored by whose weights they began as; arcs from donor to copy."""
    spec = cast.history.state.spec.spec
    rows = {member.name: place for place, member in enumerate(cast.drawn)}
    pitch = 30 if len(rows) <= 12 else 22 if len(rows) <= 30 else 15
    data = [*_bars(cast, rows, pitch), *_arcs(cast, rows), *_winner(cast, rows)]
    names = [text(f"{m.name} ═" if m.baseline else m.name) for m in cast.drawn]
    layout: dict[str, Any] = {
        "xaxis": steps_axis(spec.schedule.max_steps),
        "yaxis": {
            "tickvals": list(rows.values()),
            "ticktext": names,
            "range": [len(rows) - 0.4, -0.6],
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
        },
        "hovermode": "closest",
    }
    described = _described(cast)
    return Figure("families", "Lineage", described, max(pitch * len(rows) + 70, 150), data, layout)


def _bars(cast: Cast, rows: Mapping[str, int], pitch: int) -> list[Trace]:
    """One trace for each founder and kind: what still counts is thick, what was given up thin."""
    found: dict[tuple[str, bool], tuple[list[Any], list[Any], list[Any]]] = {}
    for name in rows:
        mine = cast.of_member(name)
        for place, branch in enumerate(mine):
            later = min((b.from_step for b in mine[place + 1 :]), default=branch.to_step)
            split = min(max(later, branch.from_step), branch.to_step)
            kept_and_left = ((branch.from_step, split, True), (split, branch.to_step, False))
            for start, end, kept in kept_and_left:
                if end > start:
                    x, y, hover = found.setdefault((branch.founder, kept), ([], [], []))
                    middle = (start + end) / 2
                    x += [start, middle, end, GAP]
                    y += [rows[name]] * 3 + [GAP]
                    hover += [_hover(branch)] * 3 + [GAP]
    traces = []
    for (founder, kept), (x, y, hover) in sorted(found.items(), key=lambda item: item[0][1]):
        style = {"color": cast.families[founder], "width": pitch * 0.5 if kept else 2}
        traces.append(line(founder, x, y, hover, line=style, opacity=1 if kept else 0.55))
    return traces


def _hover(branch: Branch) -> str:
    said = f"{branch.member}, steps {branch.from_step} to {branch.to_step}"
    origin = f"weights that began as {branch.founder}"
    if branch.reports:
        said += f": {words.number(branch.reports[-1].report.score)}"
    parts = (said, origin, words.settings(branch.hyperparameters))
    return "<br>".join(text(part) for part in parts)


def _arcs(cast: Cast, rows: Mapping[str, int]) -> list[Trace]:
    copies = [
        taken
        for taken in cast.history.decisions
        if taken.donor in rows and taken.decision.member in rows
    ][-MAX_ARCS:]
    if not copies:
        return []
    x: list[Any] = []
    y: list[Any] = []
    hover: list[Any] = []
    for taken in copies:
        across, down = _arc(cast, rows, taken)
        x += [*across, GAP]
        y += [*down, GAP]
        hover += [text(words.sentence(taken))] * len(across) + [GAP]
    sizes = [8 if i + 1 < len(x) and x[i + 1] is GAP else 0 for i in range(len(x))]
    style = {"color": "var(--soft)", "width": 1.1}
    arrow = {"symbol": "arrow", "angleref": "previous", "size": sizes, "color": "var(--soft)"}
    trace = line("copies", x, y, hover, line=style)
    return [trace | {"mode": "lines+markers", "marker": arrow, "opacity": 0.85}]


def _arc(
    cast: Cast, rows: Mapping[str, int], taken: DecisionTaken
) -> tuple[list[float], list[float]]:
    """From the edge of the donor's bar to that of the copy's, at the step of the copied weights."""
    source = taken.decision.source
    here, there = rows[taken.donor or ""], rows[taken.decision.member]
    sign = 1 if there > here else -1
    return _bow(cast, source.step if source else 0, here + 0.25 * sign, there - 0.25 * sign)


def _bow(cast: Cast, step: int, here: float, there: float) -> tuple[list[float], list[float]]:
    """A parabola between two rows, bowed to the right the more the farther they are apart."""
    width = cast.history.state.spec.spec.schedule.max_steps
    depth = width * min(0.002 * abs(there - here), 0.014)
    along = [i / BENDS for i in range(BENDS + 1)]
    across = [step + depth * 4 * t * (1 - t) for t in along]
    return across, [here + (there - here) * t for t in along]


def _winner(cast: Cast, rows: Mapping[str, int]) -> list[Trace]:
    """The way of the best weights through the rows."""
    best = cast.history.state.best
    if best is None:
        return []
    x: list[Any] = []
    y: list[Any] = []
    won = cast.winners
    for branch in cast.branches:
        ends = [won[r.decision.id] for r in branch.reports if r.decision.id in won]
        row = rows.get(branch.member)
        if not ends or row is None:
            continue
        across, down = _bow(cast, branch.from_step, y[-1], row) if y else ([], [])
        x += [*across, branch.from_step, max(ends)]
        y += [*down, row, row]
    way = line("the winner's way", x, y, [], line={"color": "var(--ink)", "width": 1.8})
    way |= {"hoverinfo": "skip"}
    way.pop("hovertemplate")
    dot = {"color": "var(--ink)", "size": 9, "line": {"color": "var(--card)", "width": 2}}
    said = [text(f"the best: {words.number(best.score)} by {best.member} at step {best.step}")]
    spot = line("the best", [best.step], [rows.get(best.member)], said)
    return [way, spot | {"mode": "markers", "marker": dot, "cliponaxis": False}]


def _described(cast: Cast) -> str:
    alive = {b.founder for b in cast.branches if b.ends_by is None}
    copies = sum(taken.donor is not None for taken in cast.history.decisions)
    said = f"Rows of {words.plural(len(cast.drawn), 'member')} over steps, colored by ancestor, "
    said += f"with {words.plural(copies, 'copy', 'copies')}."
    if alive and len(alive) < len(cast.families):
        left = f"{len(alive)} of {len(cast.families)}"
        said += f" In the end everybody descends from {left} founders."
    return said
