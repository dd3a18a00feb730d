"""The rows of the page's tables: every number is there as text, and as what it sorts by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from population_operator.api import Value
from population_operator.app import words
from population_operator.app.report.cast import Cast
from population_operator.core.history import Change, DecisionTaken, History
from population_operator.core.incidents import Incident
from population_operator.core.lineage import standing
from population_operator.model.decision import DecisionKind
from population_operator.model.report import merit
from population_operator.model.state import Member

MAX_DECISIONS = 600
MAX_INCIDENTS = 300
LEAST = "-Infinity"
"""What sorts before every number, in the spelling of the page's script."""


@dataclass(frozen=True)
class Cell:
    """What is read, and what it sorts by (text sorts as text)."""

    text: str
    key: float | str


@dataclass(frozen=True)
class MemberRow:
    name: str
    best: bool
    baseline: bool
    rank: int
    step: int
    score: Cell
    values: tuple[Cell, ...]
    family: str
    color: str
    copied: int
    donated: int
    failures: int


@dataclass(frozen=True)
class Move:
    """One hyperparameter's move; `factor` where both are numbers: `× 0.8`."""

    name: str
    old: str
    new: str
    factor: str


@dataclass(frozen=True)
class DecisionRow:
    id: str
    kind: str
    member: str
    index: int
    time: Cell
    at_step: int
    source: str
    own: bool
    moves: tuple[Move, ...]
    reason: str
    winner: bool


def member_rows(cast: Cast) -> tuple[MemberRow, ...]:
    """By rank: the best of those who are left first."""
    history = cast.history
    goal, best = history.state.spec.spec.objective.goal, history.state.best
    moves = [taken for taken in history.decisions if taken.donor is not None]
    donated = Counter(taken.donor for taken in moves)
    copied = Counter(taken.decision.member for taken in moves)
    failures = Counter(incident.member for incident in history.incidents if incident.charged)
    family = {branch.member: branch for branch in cast.branches}

    def rank(member: Member) -> tuple[float, int]:
        report = standing(member)
        return (-merit(goal, report.score) if report else math.inf, member.index)

    return tuple(
        MemberRow(
            name=member.name,
            best=best is not None and best.member == member.name,
            baseline=member.baseline,
            rank=place,
            step=member.step,
            score=_score(member),
            values=tuple(
                _setting(member.decision.hyperparameters, p.name)
                for p in history.state.spec.spec.parameters
            ),
            family=family[member.name].founder,
            color=cast.families[family[member.name].founder],
            copied=copied[member.name],
            donated=donated[member.name],
            failures=failures[member.name],
        )
        for place, member in enumerate(sorted(history.state.population, key=rank), 1)
    )


def _score(member: Member) -> Cell:
    report = standing(member)
    return _number(report.score if report else None)


def _number(value: float | None) -> Cell:
    key = value if value is not None and math.isfinite(value) else LEAST
    return Cell(words.number(value, 5), key)


def _setting(values: Mapping[str, Value], name: str) -> Cell:
    value = values.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(words.setting(value, 4), value)
    return Cell(words.setting(value), LEAST if value is None else words.setting(value))


def decision_rows(cast: Cast) -> tuple[tuple[DecisionRow, ...], str]:
    """The decisions in order, and in words which were left out where they are too many.

    Those that let a member go on as it was go first; then the oldest.
    """
    history = cast.history
    everything = history.decisions
    shown = everything
    if len(shown) > MAX_DECISIONS:
        shown = [t for t in shown if t.decision.kind is not DecisionKind.CONTINUE]
    shown = shown[-MAX_DECISIONS:]
    left = ""
    if len(shown) < len(everything):
        left = (
            f"{len(shown)} of {len(everything)} decisions: the latest that moved something. "
            "All of them stand in result.json."
        )
    return tuple(_decision(cast, taken) for taken in shown), left


def _decision(cast: Cast, taken: DecisionTaken) -> DecisionRow:
    decision, state = taken.decision, cast.history.state
    source = decision.source
    moved = taken.explored if taken.copied is not None else taken.changes
    if decision.kind is DecisionKind.START:
        moved = {name: (None, value) for name, value in decision.hyperparameters.items()}
    since = taken.time - state.started_at
    return DecisionRow(
        id=decision.id,
        kind=decision.kind,
        member=decision.member,
        index=state.members[decision.member].index,
        time=Cell(words.duration(since), since),
        at_step=decision.at_step,
        source=f"{source.member} @ {source.step}" if source else "",
        own=taken.donor is None,
        moves=tuple(_move(name, change) for name, change in moved.items()),
        reason=words.one_line(decision.reason),
        winner=decision.id in cast.winners,
    )


def _move(name: str, change: Change) -> Move:
    old, new = change
    factor = ""
    if isinstance(old, float) and isinstance(new, float) and old and math.isfinite(new / old):
        factor = f"× {new / old:.3g}"
    before = "" if old is None else words.setting(old)
    return Move(name, before, words.setting(new), factor)


@dataclass(frozen=True)
class IncidentRow:
    time: Cell
    kind: str
    member: str
    worker: str
    detail: str
    charged: bool


def incident_rows(history: History) -> tuple[tuple[IncidentRow, ...], int]:
    """The latest incidents in order, and how many older ones are left out."""
    shown = history.incidents[-MAX_INCIDENTS:]
    started = history.state.started_at
    return tuple(_incident(i, started) for i in shown), len(history.incidents) - len(shown)


def _incident(incident: Incident, started: float) -> IncidentRow:
    since = incident.time - started
    return IncidentRow(
        time=Cell(words.duration(since), since),
        kind=incident.kind,
        member=incident.member or "",
        worker=incident.worker or "",
        detail=words.one_line(incident.detail),
        charged=incident.charged,
    )
