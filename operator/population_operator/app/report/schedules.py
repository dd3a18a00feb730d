"""Each hyperparameter over steps: every member's, and the schedule that made the best weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from population_operator.api import CategoricalDomain, Parameter, Scale, Value
from population_operator.app import words
from population_operator.app.report.cast import Cast
from population_operator.app.report.figure import (
    GAP,
    MAX_POINTS,
    Figure,
    Trace,
    line,
    steps_axis,
    text,
    thinned,
)
from population_operator.app.report.promises import promises_of
from population_operator.core.lineage import Segment, best_lineage, merged
from population_operator.model.space import categories
from population_operator.model.state import Member

MAX_CHOSEN = 1000

MAX_LINES = 600
"""Of all figures together: many parameters show fewer members each."""


def schedules(cast: Cast) -> tuple[Figure, ...]:
    """A figure for each parameter, in the manifest's order."""
    parameters = cast.history.state.spec.spec.parameters
    lines = max(MAX_LINES // len(parameters), 12)
    shown = cast if len(cast.drawn) <= lines else Cast.of(cast.history, lines)
    stretches = {member.name: _stretches(shown, member) for member in shown.drawn}
    winner = merged(best_lineage(cast.history))
    return tuple(
        _figure(shown, index, parameter, stretches, winner)
        for index, parameter in enumerate(parameters)
    )


def _figure(
    cast: Cast,
    index: int,
    parameter: Parameter,
    stretches: Mapping[str, tuple[Segment, ...]],
    winner: tuple[Segment, ...],
) -> Figure:
    data = [
        _line(cast, parameter, member.name, stretches[member.name], _style(member), place)
        for place, member in enumerate(cast.drawn)
    ]
    if winner:
        stroke = {"color": "var(--accent)", "width": 3, "shape": "hv"}
        way = _line(cast, parameter, "the winner", winner, stroke, None)
        way.pop("meta")
        data.append(way)
    chosen = _chosen(cast, parameter)
    if chosen is not None:
        data.append(chosen)
    described = f"{parameter.name} over steps for {words.plural(len(cast.drawn), 'member')}."
    if winner:
        ends = [words.setting(winner[i].hyperparameters.get(parameter.name)) for i in (0, -1)]
        described += f" The winner's: {ends[0]} at first, {ends[1]} at last."
    max_steps = cast.history.state.spec.spec.schedule.max_steps
    layout = {"xaxis": steps_axis(max_steps), "yaxis": _axis(parameter), "hovermode": "closest"}
    return Figure(f"schedule-{index}", parameter.name, described, 270, data, layout)


def _chosen(cast: Cast, parameter: Parameter) -> Trace | None:
    """Where a model chose the value: the larger the mark, the less it knew of what would come."""
    known = [
        (p, height)
        for p in promises_of(cast.history)
        if p.decision.member in cast.names
        and (height := _height(parameter, p.decision.hyperparameters.get(parameter.name)))
        is not None
    ]
    if not known:
        return None
    shown = thinned(known, MAX_CHOSEN)
    largest = max(p.sd for p, _ in shown) or 1.0
    marker = {
        "color": "rgba(0,0,0,0)",
        "size": [4 + 10 * p.sd / largest for p, _ in shown],
        "line": {"color": "var(--accent)", "width": 1.2},
    }
    x, y, hover = [p.step for p, _ in shown], [at for _, at in shown], [p.said for p, _ in shown]
    marks = line("chosen by the model", x, y, hover)
    return marks | {"mode": "markers", "marker": marker}


def _stretches(cast: Cast, member: Member) -> tuple[Segment, ...]:
    """What the member trained under, decision by decision, as it happened."""
    found: dict[str, Segment] = {}
    for accepted in cast.history.by_member.get(member.name, ()):
        decision, step = accepted.decision, accepted.report.step
        start = decision.source.step if decision.source else 0
        found[decision.id] = Segment(
            member.name, decision.id, start, step, decision.hyperparameters
        )
    limit = max(MAX_POINTS // max(len(cast.drawn), 1), 20)
    return _joined(tuple(found.values()))[-limit:]


def _joined(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Neighbours that go on with the same values are one, unless the steps went back."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if not groups or segment.from_step != groups[-1][-1].to_step:
            groups.append([])
        groups[-1].append(segment)
    return tuple(s for group in groups for s in merged(tuple(group)))


def _style(member: Member) -> dict[str, Any]:
    if member.baseline:
        return {"color": "var(--baseline)", "width": 1.6, "dash": "dash", "shape": "hv"}
    return {"color": "var(--rest)", "width": 1.1, "shape": "hv"}


def _line(
    cast: Cast,
    parameter: Parameter,
    name: str,
    segments: tuple[Segment, ...],
    style: dict[str, Any],
    place: int | None,
) -> Trace:
    """`place` spreads lines on the same category, so that each is seen; the winner's is centred."""
    shift = 0.0
    if isinstance(parameter.domain, CategoricalDomain) and place is not None:
        shift = (place + 0.5) / max(len(cast.drawn), 1) * 0.5 - 0.25
    x: list[Any] = []
    y: list[Any] = []
    hover: list[Any] = []
    for at, value, said in _points(parameter, segments):
        height = _height(parameter, value)
        x.append(at)
        y.append(height + shift if height is not None else GAP)
        hover.append(said)
    return line(name, x, y, hover, line=style, meta=name)


def _points(
    parameter: Parameter, segments: tuple[Segment, ...]
) -> Iterator[tuple[int | None, Value | None, str]]:
    end: int | None = None
    for segment in segments:
        if end is not None and segment.from_step != end:
            yield GAP, None, ""
        value = segment.hyperparameters.get(parameter.name)
        said = text(f"{segment.member} from step {segment.from_step}: ")
        said += f"<b>{text(words.setting(value, 4))}</b>"
        yield segment.from_step, value, said
        yield segment.to_step, value, said
        end = segment.to_step


def _height(parameter: Parameter, value: Value | None) -> float | None:
    """Where a value stands on the axis: itself, or the place of its category."""
    if value is None:
        return None
    if isinstance(parameter.domain, CategoricalDomain):
        known = categories(parameter.domain)
        return float(known.index(value)) if value in known else None
    return float(value)


def _axis(parameter: Parameter) -> dict[str, Any]:
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        names = [text(value if len(value) <= 14 else f"{value[:13]}…") for value in domain.values]
        return {
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "range": [-0.5, len(names) - 0.5],
            "zeroline": False,
        }
    if domain.scale is Scale.LOG:
        axis: dict[str, Any] = {"type": "log", "zeroline": False}
        ticks = _ticks(float(domain.min), float(domain.max))
        if len(ticks) < 2:  # Too narrow for round numbers: plotly.js finds others.
            return axis
        labels = [words.setting(tick).replace("e-0", "e-") for tick in ticks]
        return axis | {"tickvals": ticks, "ticktext": labels}
    margin = 0.03 * (domain.max - domain.min)
    bounds = {"minallowed": domain.min - margin, "maxallowed": domain.max + margin}
    return {"zeroline": False, "autorangeoptions": bounds}


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers on a log axis: powers of ten, and where those are few 2 and 5 as well.

    >>> _ticks(16, 512)
    [20.0, 50.0, 100.0, 200.0, 500.0]
    >>> _ticks(1e-4, 1)
    [0.0001, 0.001, 0.01, 0.1, 1.0]
    """
    factors = (1, 2, 5) if high / low < 1e3 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = max(len(powers) // 6, 1)
    ticks = [float(f"{factor}e{power}") for power in powers[::every] for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]
