"""The scores of all members over steps, and how the best came to be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from population_operator.app import words
from population_operator.app.report.cast import Cast
from population_operator.app.report.figure import (
    GAP,
    MAX_POINTS,
    Figure,
    Trace,
    line,
    score_axis,
    steps_axis,
    text,
    thinned,
)
from population_operator.core.history import AcceptedReport, DecisionTaken
from population_operator.core.lineage import Branch, reports_along
from population_operator.model.decision import DecisionKind
from population_operator.model.report import CheckpointRef
from population_operator.model.state import Member

MAX_LINKS = 400
"""More connections than this hide what they connect."""


ALONE = 7
"""The size of a report that no line leads to or from: a trial that ended on its first rung."""


class Drawn(NamedTuple):
    """The figure, and what it does not show, in words."""

    figure: Figure
    remarks: tuple[str, ...]


def scores(cast: Cast) -> Drawn:
    """Lines of members, the winner's lineage, who copied whom, and scores that are no numbers."""
    history, spec = cast.history, cast.history.state.spec.spec
    metric = spec.objective.metric
    known = {accepted.report.ref: accepted for accepted in history.reports}
    drawn = [r.report.score for r in history.reports if r.report.member in cast.names]
    axis, below = score_axis(drawn, spec.objective.goal, metric)
    limit = max(MAX_POINTS // max(len(cast.drawn), 1), 20)
    data = [_member(cast, member, known, limit) for member in cast.drawn]
    data += _copies(cast, known)
    data += _not_finite(cast, axis)
    data += _winner(cast)
    layout: dict[str, Any] = {
        "xaxis": steps_axis(spec.schedule.max_steps),
        "yaxis": axis,
        "hovermode": "closest",
    }
    if spec.objective.target is not None:
        layout |= _target(spec.objective.target, log=axis.get("type") == "log")
    figure = Figure("scores", f"{metric} over steps", _described(cast), 460, data, layout)
    return Drawn(figure, tuple(_remarks(cast, below)))


def _member(
    cast: Cast, member: Member, known: dict[CheckpointRef, AcceptedReport], limit: int
) -> Trace:
    x: list[Any] = []
    y: list[Any] = []
    hover: list[Any] = []
    sizes: list[int] = []
    for branch in cast.of_member(member.name):
        inherited = _start(cast, branch, known)
        points = thinned([*([inherited] if inherited else []), *branch.reports], limit)
        x += [*(p.report.step for p in points), GAP]
        y += [*(p.report.score for p in points), GAP]
        hover += [*(_hover(member.name, p) for p in points), GAP]
        sizes += [ALONE if len(points) == 1 else 0, *[0] * len(points)]
    style = {"color": "var(--rest)", "width": 1.1}
    if member.baseline:
        style = {"color": "var(--baseline)", "width": 1.6, "dash": "dash"}
    trace = line(member.name, x, y, hover, line=style, meta=member.name)
    if any(sizes):
        trace |= {"mode": "lines+markers", "marker": {"size": sizes, "color": style["color"]}}
    return trace


def _start(
    cast: Cast, branch: Branch, known: dict[CheckpointRef, AcceptedReport]
) -> AcceptedReport | None:
    """The report of the weights that the branch began with."""
    first = branch.reports[0].decision if branch.reports else None
    return known.get(first.source) if first and first.source else None


def _hover(name: str, accepted: AcceptedReport) -> str:
    report = accepted.report
    values = words.settings(accepted.decision.hyperparameters)
    origin = "" if report.member == name else f" (copied from {report.member})"
    score = words.number(report.score, 6)
    return text(f"{name}{origin} step {report.step}: {score}") + f"<br>{text(values)}"


def _copies(cast: Cast, known: dict[CheckpointRef, AcceptedReport]) -> list[Trace]:
    """A mark where weights were given up, and a thread to those that took their place."""
    x: list[Any] = []
    y: list[Any] = []
    ends: list[tuple[int, float, str]] = []
    for taken in _exploits(cast):
        source = taken.decision.source
        donor = known.get(source) if source else None
        lost = _last_before(cast, taken)
        if donor is None or lost is None:
            continue
        x += [lost.report.step, donor.report.step, GAP]
        y += [lost.report.score, donor.report.score, GAP]
        gain = f"{words.number(lost.report.score)} -> {words.number(donor.report.score)}"
        said = text(f"{words.sentence(taken)}") + f"<br>{text(gain)}"
        ends.append((lost.report.step, lost.report.score, said))
    if not ends:
        return []
    thread = {"color": "var(--thread)", "width": 1, "dash": "dot"}
    threads = line("copies", x, y, [], line=thread, hoverinfo="skip")
    threads.pop("hovertemplate")
    marks = line("exploits", *(list(column) for column in zip(*ends, strict=True)))
    mark = {"symbol": "x-thin", "size": 6, "line": {"width": 1.4, "color": "var(--soft)"}}
    marks |= {"mode": "markers", "marker": mark}
    return [threads, marks] if len(ends) <= MAX_LINKS else [marks]


def _exploits(cast: Cast) -> Iterator[DecisionTaken]:
    for taken in cast.history.decisions:
        if taken.decision.kind is DecisionKind.EXPLOIT and taken.decision.member in cast.names:
            yield taken


def _last_before(cast: Cast, taken: DecisionTaken) -> AcceptedReport | None:
    """The last report of the weights that the member gave up."""
    reports = cast.history.by_member.get(taken.decision.member, ())
    return next((r for r in reversed(reports) if r.seq <= taken.seq and r.report.finite), None)


def _not_finite(cast: Cast, axis: dict[str, Any]) -> list[Trace]:
    """Scores that are no numbers stand at the edge, where they can be seen."""
    bad = [r for r in cast.history.reports if not r.report.finite and r.report.member in cast.names]
    if not bad:
        return []
    hover = [text(f"{r.report.member} step {r.report.step}: {r.report.score}") for r in bad]
    marker = {"symbol": "triangle-down", "size": 8, "color": "var(--bad)"}
    trace = line("not finite", [r.report.step for r in bad], [0.02] * len(bad), hover)
    return [trace | {"mode": "markers", "marker": marker, "yaxis": "y2", "cliponaxis": False}]


def _winner(cast: Cast) -> list[Trace]:
    best = cast.history.state.best
    if best is None:
        return []
    path = thinned(reports_along(cast.history, best.ref), 2000)
    hover = [_hover(r.report.member, r) for r in path]
    steps, values = [r.report.step for r in path], [r.report.score for r in path]
    stroke = {"color": "var(--accent)", "width": 3.2}
    way = line("the winner's lineage", steps, values, hover, line=stroke)
    star = {
        "symbol": "circle",
        "size": 11,
        "color": "var(--accent)",
        "line": {"color": "var(--card)", "width": 2.5},
    }
    label = f"<b>{words.number(best.score)}</b>"
    spot = line("the best", [best.step], [best.score], hover[-1:])
    spot |= {"mode": "markers+text", "marker": star, "texttemplate": label, "cliponaxis": False}
    spot |= {"textposition": "top left", "textfont": {"color": "var(--accent)", "size": 14}}
    return [way, spot]


def _target(target: float, *, log: bool) -> dict[str, Any]:
    """A line and its name. On a log axis plotly.js wants a value for a line, and its log for text.

    A target that no such axis has is not drawn.
    """
    if log and target <= 0:
        return {}
    stroke = {"color": "var(--good)", "width": 1.2, "dash": "dash"}
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": target, "y1": target}
    note = {
        "xref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom",
        "y": math.log10(target) if log else target,
        "text": f"target {words.number(target)}", "showarrow": False,
        "font": {"color": "var(--good)", "size": 11},
    }  # fmt: skip
    return {"shapes": [shape | {"line": stroke}], "annotations": [note]}


def _described(cast: Cast) -> str:
    best, state = cast.history.state.best, cast.history.state
    said = f"Lines of {words.plural(len(cast.drawn), 'member')} over steps"
    if best is None:
        return f"{said}; there is no score yet."
    said += f", with {words.plural(state.exploits, 'exploit')}. The lineage of the best stands out:"
    return f"{said} {best.member} with {words.number(best.score)} at step {best.step}."


def _remarks(cast: Cast, below: int) -> Iterator[str]:
    if cast.hidden:
        yield (
            f"{len(cast.drawn)} of {len(cast.history.state.members)} members are drawn: the "
            "winner's ancestors, baselines, and the best of the others."
        )
    if below:
        yield f"{words.plural(below, 'report')} far off would squash the rest: outside the frame."
    exploits = sum(1 for _ in _exploits(cast))
    if exploits > MAX_LINKS:
        yield f"{exploits} copies are marked; the threads between them are left out."
