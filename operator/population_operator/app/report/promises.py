"""What the model of PB2 expected of the values that it chose, and what came of them.

Mean and standard deviation stand in the decision itself (`Decision.expected`), as a change of the
score per step and without the noise of one interval; here they are those of a whole interval.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from population_operator.app import words
from population_operator.app.report.cast import Cast
from population_operator.app.report.figure import (
    GAP,
    Figure,
    Trace,
    line,
    steps_axis,
    text,
    thinned,
)
from population_operator.core.history import AcceptedReport, History
from population_operator.model.decision import Decision

MAX_PROMISES = 2000


@dataclass(frozen=True)
class Promise:
    """One interval under values of the model's: expected mean and sd of the change, and the change
    itself (none while it is not known, or where it was no number)."""

    decision: Decision
    step: int
    mean: float
    sd: float
    came: float | None

    @property
    def said(self) -> str:
        came = "not known" if self.came is None else words.number(self.came)
        return text(
            f"{self.decision.member} from step {self.step}: expected {words.number(self.mean)}"
            f" ± {words.number(self.sd)}, came {came}"
        )


@dataclass(frozen=True)
class Promises:
    """All of them as a picture, and in one sentence."""

    figure: Figure
    verdict: str


def promises_of(history: History) -> Iterator[Promise]:
    """Every decision whose values a model chose, in the journal's order."""
    interval = history.state.spec.spec.schedule.interval
    first: dict[str, AcceptedReport] = {}
    for accepted in history.reports:
        first.setdefault(accepted.decision.id, accepted)
    scores = {accepted.report.ref: accepted.report.score for accepted in history.reports}
    for taken in history.decisions:
        decision = taken.decision
        if decision.expected is None or decision.source is None:
            continue
        outcome, before = first.get(decision.id), scores.get(decision.source)
        came = None
        if outcome is not None and before is not None:
            steps = max(outcome.report.step - decision.source.step, 1)
            change = (outcome.report.score - before) / steps * interval
            came = change if math.isfinite(change) else None
        expected = decision.expected
        yield Promise(
            decision, decision.source.step, expected.mean * interval, expected.sd * interval, came
        )


def promises(cast: Cast) -> Promises | None:
    """The picture; nothing where no model chose anything."""
    found = list(promises_of(cast.history))
    if not found:
        return None
    spec = cast.history.state.spec.spec
    shown = thinned(found, MAX_PROMISES)
    title = {"text": text(f"change of {spec.objective.metric} in an interval"), "standoff": 8}
    layout = {
        "xaxis": steps_axis(spec.schedule.max_steps),
        "yaxis": {"title": title, "zeroline": True, "zerolinecolor": "var(--line)"},
        "hovermode": "closest",
    }
    verdict = _verdict(found)
    described = f"Expected and real changes of the score, interval by interval. {verdict}"
    data = [_links(shown), _expected(shown), _came(shown)]
    return Promises(Figure("promises", "Expected and real", described, 300, data, layout), verdict)


def _links(shown: list[Promise]) -> Trace:
    """From what was expected to what came, so that pairs are seen."""
    known = [(p.step, p.mean, p.came) for p in shown if p.came is not None]
    x = [at for step, _, _ in known for at in (step, step, GAP)]
    y = [at for _, mean, came in known for at in (mean, came, GAP)]
    stroke = {"color": "var(--rest)", "width": 1}
    return line("from expected to real", x, y, [""] * len(x), line=stroke, hoverinfo="skip")


def _expected(shown: list[Promise]) -> Trace:
    """Points with their standard deviation as a bar."""
    bars = {
        "type": "data",
        "array": [p.sd for p in shown],
        "color": "var(--accent)",
        "thickness": 1.2,
        "width": 0,
    }
    points = line(
        "expected", [p.step for p in shown], [p.mean for p in shown], [p.said for p in shown]
    )
    marker = {"color": "var(--accent)", "size": 6}
    return points | {"mode": "markers", "marker": marker, "error_y": bars}


def _came(shown: list[Promise]) -> Trace:
    known = [p for p in shown if p.came is not None]
    points = line("real", [p.step for p in known], [p.came for p in known], [p.said for p in known])
    stroke = {"width": 1.6, "color": "var(--soft)"}
    marker = {"color": "var(--soft)", "size": 7, "symbol": "x-thin", "line": stroke}
    return points | {"mode": "markers", "marker": marker}


def _verdict(found: list[Promise]) -> str:
    """How the middle of what was expected compares with the middle of what came."""
    known = [p for p in found if p.came is not None]
    said = f"The model chose {words.plural(len(found), 'time')}"
    if not known:
        return f"{said}; nothing has come of it yet."
    mean = statistics.median(p.mean for p in known)
    came = statistics.median(p.came for p in known if p.came is not None)
    return f"{said}: in the median it expected {words.number(mean)}, and {words.number(came)} came."
