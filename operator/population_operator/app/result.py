"""`result.json`: what a run came to, for programs. The format is stable: see `docs/result.md`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from population_operator.adapters.local.folder import RunFolder
from population_operator.api import Goal, Value
from population_operator.app.files import replace_file
from population_operator.core.history import DecisionTaken, History
from population_operator.core.lineage import best_lineage, schedule_of, standing
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import Phase
from population_operator.model.numbers import Number
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import Member, State


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ObjectiveResult(_Part):
    """What was optimised; `target` is null where none was given."""

    metric: str
    goal: Goal
    target: Number | None


class BestResult(_Part):
    """The best report of the whole run. `checkpoint` is null where it was reported without one."""

    member: str
    step: int
    score: Number
    hyperparameters: dict[str, Value]
    checkpoint: str | None
    metrics: dict[str, Number]


class RungScore(_Part):
    """What a trial came to at the end of a rung."""

    rung: int
    step: int
    score: Number


class TrialResult(_Part):
    """The bracket that a trial is in, and its results, from the lowest rung up."""

    bracket: int
    rungs: tuple[RungScore, ...]


class RungResult(_Part):
    """Where a decision about a trial takes it; `until` is null where it trains to the end."""

    bracket: int
    rung: int
    until: int | None


class MemberResult(_Part):
    """Where a member stands: `score` is that of the weights that it has, null before any report.

    `trial` is there only where the algorithm's members are trials.
    """

    name: str
    step: int
    score: Number | None
    hyperparameters: dict[str, Value]
    trial: TrialResult | None = Field(default=None, exclude_if=lambda trial: trial is None)


class Source(_Part):
    """The weights that a decision continues from."""

    member: str
    step: int


class ExpectedResult(_Part):
    """What the algorithm's model expected: the change of the score per step, without noise."""

    mean: Number
    sd: Number
    rows: int


class DecisionResult(_Part):
    """One decision. Its `id` is `<member>/<count of its decisions>`: a crash does not shift it."""

    id: str
    member: str
    kind: DecisionKind
    source: Source | None = Field(alias="from")
    at_step: int
    hyperparameters: dict[str, Value]
    reason: str
    expected: ExpectedResult | None = Field(default=None, exclude_if=lambda found: found is None)
    trial: RungResult | None = Field(default=None, exclude_if=lambda trial: trial is None)


class ScheduleResult(_Part):
    """From this step on the winner's weights were trained with these hyperparameters."""

    from_step: int
    hyperparameters: dict[str, Value]


class ConditionResult(_Part):
    """A condition of the object on a cluster, as `kubectl get -o json` shows it."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)

    type: str
    status: str
    reason: str
    message: str = ""
    last_transition_time: str
    observed_generation: int = 0


class Result(_Part):
    """The whole of `result.json`."""

    phase: Phase
    reason: str
    message: str
    objective: ObjectiveResult
    best: BestResult | None
    members: tuple[MemberResult, ...]
    decisions: tuple[DecisionResult, ...]
    schedule: tuple[ScheduleResult, ...]
    conditions: tuple[ConditionResult, ...] | None = Field(
        default=None, exclude_if=lambda conditions: conditions is None
    )

    @classmethod
    def of(
        cls,
        history: History,
        checkpoints: str | None = None,
        conditions: Iterable[Mapping[str, Any]] | None = None,
    ) -> Self:
        """The result of a run so far.

        Args:
          history: of a journal with at least one entry.
          checkpoints: the folder or URI with this experiment's checkpoints. Where it is not given:
            `checkpoints/<uid>`, where the embedded runtime keeps them, next to `result.json`.
          conditions: those of the object on a cluster; none for a folder.
        """
        state = history.state
        root = checkpoints or f"checkpoints/{state.spec.metadata.uid}"
        objective = state.spec.spec.objective
        return cls(
            phase=state.phase,
            reason=state.phase_reason,
            message=state.phase_message,
            objective=ObjectiveResult(
                metric=objective.metric, goal=objective.goal, target=objective.target
            ),
            best=_best(history, state.best, root) if state.best else None,
            members=tuple(map(_member, state.population)),
            decisions=_decisions(history),
            schedule=tuple(
                ScheduleResult(from_step=step, hyperparameters=dict(values))
                for step, values in schedule_of(best_lineage(history))
            ),
            conditions=None
            if conditions is None
            else tuple(map(ConditionResult.model_validate, conditions)),
        )

    def to_json(self) -> str:
        """The text of the file: indented, since people read it, too."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def write_result(path: Path, history: History, folder: RunFolder) -> None:
    """Write `result.json` so that a reader sees all of it, or what stood there before.

    The checkpoint is named relative to the file, so that the folder can be moved.

    Raises:
      OSError: the disk is full, or the folder cannot be written to.
    """
    checkpoints = folder.checkpoints(history.state.spec.metadata.uid)
    root = os.path.relpath(checkpoints, path.parent)
    text = Result.of(history, Path(root).as_posix()).to_json()
    replace_file(path, [text.encode()])


def hyperparameters_of(history: History, report: Report) -> dict[str, Value]:
    """What the report was trained with: its decision's values, which the echo may be a part of."""
    decision = history.issued.get((report.member, report.directive))
    return dict(decision.hyperparameters if decision else report.hyperparameters)


def _best(history: History, report: Report, root: str) -> BestResult:
    return BestResult(
        member=report.member,
        step=report.step,
        score=report.score,
        hyperparameters=hyperparameters_of(history, report),
        checkpoint=f"{root.rstrip('/')}/{report.ref}" if report.checkpoint else None,
        metrics=report.metrics,
    )


def _member(member: Member) -> MemberResult:
    report = standing(member)
    return MemberResult(
        name=member.name,
        step=member.step,
        score=report.score if report else None,
        hyperparameters=member.decision.hyperparameters,
        trial=_trial(member) if member.trial else None,
    )


def _trial(member: Member) -> TrialResult:
    return TrialResult(
        bracket=member.decision.bracket or 0,
        rungs=tuple(RungScore(rung=r.rung, step=r.step, score=r.score) for r in member.rungs),
    )


def _decisions(history: History) -> tuple[DecisionResult, ...]:
    """In the journal's order; those of one entry by member, whichever policy came first."""
    state: State = history.state

    def place(taken: DecisionTaken) -> tuple[int, int, int]:
        decision = taken.decision
        return taken.seq, state.members[decision.member].index, decision.count

    return tuple(_decision(taken) for taken in sorted(history.decisions, key=place))


def _decision(taken: DecisionTaken) -> DecisionResult:
    decision = taken.decision
    return DecisionResult(
        id=decision.id,
        member=decision.member,
        kind=decision.kind,
        source=_source(decision.source),
        at_step=decision.at_step,
        hyperparameters=decision.hyperparameters,
        reason=decision.reason,
        expected=_expected(decision),
        trial=_rung(decision),
    )


def _expected(decision: Decision) -> ExpectedResult | None:
    found = decision.expected
    return ExpectedResult(mean=found.mean, sd=found.sd, rows=found.rows) if found else None


def _rung(decision: Decision) -> RungResult | None:
    if decision.rung is None:
        return None
    bracket, rung = decision.bracket or 0, decision.rung
    return RungResult(bracket=bracket, rung=rung, until=decision.until)


def _source(ref: CheckpointRef | None) -> Source | None:
    return Source(member=ref.member, step=ref.step) if ref else None
