"""Does tuning pay? The tuned members against the baselines, which trained alike but unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from population_operator.api import Goal
from population_operator.app import words
from population_operator.app.report.figure import Figure, line, steps_axis, text
from population_operator.core.history import AcceptedReport, History
from population_operator.model.report import Report, merit


@dataclass(frozen=True)
class Comparison:
    """The best of both, in words and as a picture. `pays` is none where they are equal."""

    tuned: Report
    baseline: Report
    pays: bool | None
    verdict: str
    figure: Figure


def comparison(history: History) -> Comparison | None:
    """The comparison; nothing where there are no baselines, or one side never scored.

    A tuned member may carry weights that a baseline began: copying from it is part of tuning.
    """
    objective = history.state.spec.spec.objective
    names = {m.name for m in history.state.population if m.baseline}
    tuned = [r for r in history.reports if r.report.member not in names and r.report.finite]
    fixed = [r for r in history.reports if r.report.member in names and r.report.finite]
    if not tuned or not fixed:
        return None
    best, other = _best(tuned, objective.goal), _best(fixed, objective.goal)
    gain = merit(objective.goal, best.score) - merit(objective.goal, other.score)
    figure = _figure(history, tuned, fixed)
    pays = None if gain == 0 else gain > 0
    return Comparison(best, other, pays, _verdict(best, other, gain, objective.metric), figure)


def _best(reports: Iterable[AcceptedReport], goal: Goal) -> Report:
    found = max(reports, key=lambda r: (merit(goal, r.report.score), r.report.step))
    return found.report


def _verdict(best: Report, other: Report, gain: float, metric: str) -> str:
    scores = f"{words.number(best.score)} ({best.member}) against {words.number(other.score)}"
    scores += f" ({other.member}, the best baseline)"
    if gain == 0:
        return f"Tuned and not, the best {metric} is the same: {scores}."
    word = "better" if gain > 0 else "worse"
    return f"The tuned are {word} by {words.number(abs(gain))} {metric}: {scores}."


def _figure(history: History, tuned: list[AcceptedReport], fixed: list[AcceptedReport]) -> Figure:
    spec = history.state.spec.spec
    goal, end = spec.objective.goal, max(r.report.step for r in (*tuned, *fixed))
    data = []
    for name, reports, color, dash in (
        ("baselines", fixed, "var(--baseline)", "dash"),
        ("tuned", tuned, "var(--accent)", "solid"),
    ):
        x, y = _best_so_far(reports, goal, end)
        hover = [
            text(f"best of the {name} up to step {step}: {words.number(score)}")
            for step, score in zip(x, y, strict=True)
        ]
        style = {"color": color, "width": 2.6, "dash": dash, "shape": "hv"}
        data.append(line(name, x, y, hover, line=style))
    title = {"text": text(f"best {spec.objective.metric} so far")}
    layout: dict[str, Any] = {
        "xaxis": steps_axis(spec.schedule.max_steps),
        "yaxis": {"title": title, "zeroline": False},
        "hovermode": "closest",
    }
    described = "The best score so far over steps, of the tuned members and of the baselines."
    return Figure("pays", "Best so far", described, 300, data, layout)


def _best_so_far(
    reports: list[AcceptedReport], goal: Goal, end: int
) -> tuple[list[int], list[float]]:
    x: list[int] = []
    y: list[float] = []
    for accepted in sorted(reports, key=lambda r: (r.report.step, -merit(goal, r.report.score))):
        report = accepted.report
        if not y or merit(goal, report.score) > merit(goal, y[-1]):
            x.append(report.step)
            y.append(report.score)
    return [*x, end], [*y, y[-1]]
