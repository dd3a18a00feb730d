"""Each hyperparameter over steps: every member's, and the schedule that made the best weights."""

from __future__ import annotations

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
)
from population_operator.core.lineage import Segment, best_lineage, merged
from population_operator.model.space import categories
from population_operator.model.state import Member

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
    first = next((s.hyperparameters.get(parameter.name) for s in winner), None)
    last = winner[-1].hyperparameters.get(parameter.name) if winner else None
    described = f"{parameter.name} over steps for {words.plural(len(cast.drawn), 'member')}."
    if winner:
        described += f" The winner's: {words.setting(first)} at first, {words.setting(last)} at last."
    max_steps = cast.history.state.spec.spec.schedule.max_steps
    layout = {"xaxis": steps_axis(max_steps), "yaxis": _axis(parameter), "hovermode": "closest"}
    return Figure(f"schedule-{index}", parameter.name, described, 270, data, layout)


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
        return {"type": "log", "zeroline": False, "dtick": "auto", "exponentformat": "power"}
    return {"zeroline": False}
