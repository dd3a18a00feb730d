"""Figures as plain dicts for plotly.js: colors are CSS variables, which the page resolves."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from population_operator.api import Goal

Trace = dict[str, Any]
GAP = None
"""Between two pieces of one line."""

MAX_POINTS = 20_000
"""Of all lines of one figure together; a browser draws this without a pause."""


@dataclass(frozen=True)
class Figure:
    """A figure and its words; `described` says to those who cannot see it what it shows."""

    id: str
    title: str
    described: str
    height: int
    data: list[Trace]
    layout: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "data": self.data,
            "layout": {"height": self.height, **self.layout},
        }


def text(value: object) -> str:
    """Text for plotly.js, which takes some of HTML's tags for its own."""
    return html.escape(str(value), quote=False)


def tidy(value: Any) -> Any:
    """The same for JSON: numbers of six digits, and nothing where they are not finite."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [tidy(item) for item in value]
    return value


def line(name: str, x: list[Any], y: list[Any], hover: list[Any], **style: Any) -> Trace:
    """A line whose points say `hover`. With `meta`, the page can bring it to the fore."""
    trace: Trace = {
        "type": "scatter",
        "mode": "lines",
        "name": text(name),
        "x": x,
        "y": y,
        "text": hover,
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }
    return trace | style


def thinned(points: Sequence[Any], limit: int) -> list[Any]:
    """At most about `limit` of the points, evenly spread; the first and the last among them."""
    if len(points) <= limit:
        return list(points)
    stride = math.ceil(len(points) / max(limit - 1, 1))
    return [*points[:-1:stride], points[-1]]


def steps_axis(max_steps: int, title: str = "step") -> dict[str, Any]:
    """The horizontal axis of all figures."""
    return {
        "title": {"text": title, "standoff": 8},
        "range": [0, max_steps * 1.015],
        "zeroline": False,
    }


def score_axis(scores: Iterable[float], goal: Goal, title: str) -> tuple[dict[str, Any], int]:
    """A vertical axis on which the scores that matter can be told apart.

    A few that diverged would squash all others into a line: those are left out, and counted. Where
    small positive numbers are good and they span decades, the axis is logarithmic.
    """
    finite = sorted(score for score in scores if math.isfinite(score))
    axis: dict[str, Any] = {"title": {"text": text(title), "standoff": 8}, "zeroline": False}
    if len(finite) < 2:
        return axis, 0
    if goal is Goal.MINIMIZE and finite[0] > 0 and finite[-1] / finite[0] > 50:
        return axis | {"type": "log"}, 0
    up = goal is Goal.MAXIMIZE
    good, bad = (finite[-1], finite[0]) if up else (finite[0], finite[-1])
    edge = finite[len(finite) // 20] if up else finite[-1 - len(finite) // 20]
    spread = abs(good - edge)
    if len(finite) < 20 or abs(good - bad) <= 4 * spread or not spread:
        return axis, 0
    limit = edge - 0.4 * spread if up else edge + 0.4 * spread
    hidden = sum(score < limit if up else score > limit for score in finite)
    margin = 0.05 * abs(good - limit)
    ends = [limit, good + margin] if up else [good - margin, limit]
    return axis | {"range": ends}, hidden
