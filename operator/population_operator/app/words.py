"""What happened, in words: the same in the live table, in reports and in logs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from population_operator.api import Value
from population_operator.core.history import (
    AcceptedReport,
    DecisionTaken,
    Happening,
    PhaseEntered,
    SpecChanged,
)
from population_operator.core.incidents import Incident, IncidentKind
from population_operator.model.decision import DecisionKind

NOTHING = "-"


def number(value: float | None, digits: int = 4) -> str:
    """A score or a metric, short enough for a table.

    >>> [number(x) for x in (0.98611, 12345.678, 1e-7, 3.0, float("nan"), None)]
    ['0.9861', '12346', '1e-07', '3', 'nan', '-']
    """
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return str(value)
    if 10**digits <= abs(value) < 1e9:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def setting(value: Value | None, digits: int = 3) -> str:
    """A hyperparameter's value; one that is not active in a configuration is none.

    >>> [setting(x) for x in (0.0103999, 64, True, "adam", None)]
    ['0.0104', '64', 'true', 'adam', '-']
    """
    match value:
        case None:
            return NOTHING
        case bool():
            return "true" if value else "false"
        case float():
            return number(value, digits)
        case _:
            return str(value)


def settings(values: Mapping[str, Value]) -> str:
    """A configuration on one line."""
    return ", ".join(f"{name} {setting(value)}" for name, value in values.items())


def changes(taken: DecisionTaken) -> str:
    """How a decision moved the hyperparameters of the weights that go on: `lr 0.013 -> 0.0104`."""
    moved = taken.explored if taken.copied is not None else taken.changes
    return ", ".join(
        f"{name} {setting(old)} -> {setting(new)}" for name, (old, new) in moved.items()
    )


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> [duration(s) for s in (0.4, 42, 75, 3725, 200000)]
    ['0s', '42s', '1m 15s', '1h 02m', '2d 07h']
    """
    minutes, second = divmod(int(max(seconds, 0)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}h"
    if hours:
        return f"{hours}h {minute:02}m"
    return f"{minutes}m {second:02}s" if minutes else f"{second}s"


def plural(count: int, noun: str, several: str = "") -> str:
    """`1 member`, `8 members`."""
    return f"{count} {noun}" if count == 1 else f"{count} {several or noun + 's'}"


def one_line(text: str) -> str:
    """Without line breaks and control characters: workers may print anything."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def sentence(happening: Happening) -> str:
    """One line that says what happened, without its time."""
    match happening:
        case AcceptedReport(report=report):
            return f"{report.member} scores {number(report.score)} at step {report.step}"
        case DecisionTaken():
            return _decision(happening)
        case Incident():
            return _incident(happening)
        case PhaseEntered():
            said = one_line(happening.message)
            return f"{happening.phase}: {said or happening.reason}"
        case SpecChanged():
            if happening.experiment.spec.suspend:
                return "asked to suspend"
            return "the manifest was read again" if happening.seq > 1 else "the manifest was read"


def _decision(taken: DecisionTaken) -> str:
    decision = taken.decision
    member, source, changed = decision.member, decision.source, changes(taken)
    after = f": {changed}" if changed else ""
    match decision.kind:
        case DecisionKind.START:
            return f"{member} starts: {settings(decision.hyperparameters)}"
        case DecisionKind.CONTINUE:
            return f"{member} continues at step {decision.at_step}{after}"
        case DecisionKind.STOP:
            return f"{member} ends at step {decision.at_step}, on rung {decision.rung}"
        case DecisionKind.PROMOTE:
            over = "" if source else ", from zero"
            return f"{member} is promoted to rung {decision.rung}: to step {decision.until}{over}"
    if source is None:
        return f"{member} starts over{after}"
    if taken.donor is None:
        return f"{member} goes back to its own step {source.step}{after}"
    verb = "copies" if decision.kind is DecisionKind.EXPLOIT else "continues as a clone of"
    return f"{member} {verb} {source.member} at step {source.step}{after}"


def _incident(incident: Incident) -> str:
    detail = one_line(incident.detail)
    who = incident.member or incident.worker or "somebody"
    match incident.kind:
        case IncidentKind.GONE:
            on = f" ({incident.member} was on it)" if incident.member else ""
            return f"{incident.worker} is gone{on}: {detail}"
        case IncidentKind.FAILED:
            on = f" on {incident.worker}" if incident.worker else ""
            return f"{who} failed{on}: {detail}"
        case IncidentKind.STRAGGLED:
            return f"{who} straggled: {detail}"
        case IncidentKind.REPLACED:
            return f"{who} is replaced: {detail}"
        case IncidentKind.RESTORE:
            return f"{who} could not restore {detail}"
        case IncidentKind.TROUBLE:
            on = f" on {incident.worker}" if incident.worker else ""
            return f"{who} has trouble{on}: {detail}"
        case IncidentKind.NOT_FINITE:
            return f"{who}: {detail}"
