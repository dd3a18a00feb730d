"""Kubernetes Events: what happened, in human words, from the entries that were appended."""

from __future__ import annotations

from dataclasses import dataclass

from population_operator.adapters.kubernetes.client import Object
from population_operator.adapters.kubernetes.names import API_VERSION, Key
from population_operator.adapters.kubernetes.status import short, timestamp
from population_operator.core.conditions import BEING_DELETED, Problem
from population_operator.core.fold import fold
from population_operator.core.trials import LAST_TRY, is_last
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import (
    Decided,
    Entry,
    MemberFailed,
    Phase,
    PhaseChanged,
    RestoreFailed,
    Troubled,
    WorkerGone,
)
from population_operator.model.state import State


@dataclass(frozen=True)
class Told:
    """One thing to tell. `name` makes telling it twice harmless."""

    name: str
    time: float
    reason: str
    message: str
    warning: bool = False


def told(entry: Entry, before: State) -> list[Told]:
    """What is worth an Event in `entry`, which followed the state `before`."""
    found: list[Told] = []
    for index, event in enumerate((*entry.observed, *entry.decided)):
        match event:
            case PhaseChanged():
                bad = event.phase is Phase.FAILED
                text = _phase(event, entry, before)
                found.append(_told(entry, index, str(event.reason), text, bad))
            case Decided() if event.decision.kind not in (
                DecisionKind.CONTINUE,
                DecisionKind.START,
                DecisionKind.STOP,
            ):
                kind = str(event.decision.kind).capitalize()
                warning = event.decision.kind not in (DecisionKind.EXPLOIT, DecisionKind.PROMOTE)
                text = _decision(event.decision, before)
                found.append(_told(entry, index, kind, text, warning))
            case MemberFailed():
                text = f"{event.member}: {event.cause}: {event.detail}"
                member = before.members.get(event.member)
                if member is not None and is_last(before.spec.spec, member):
                    text += f"; {LAST_TRY}"
                found.append(_told(entry, index, "MemberFailed", text, True))
            case WorkerGone() if not event.cause.charged:
                text = f"{event.worker}: {event.detail}; its member goes on elsewhere, uncharged"
                found.append(_told(entry, index, str(event.cause), text, True))
            case RestoreFailed():
                text = f"{event.member}: {event.checkpoint}: {event.reason}"
                found.append(_told(entry, index, "RestoreFailed", text, True))
            case Troubled():
                found.append(
                    _told(entry, index, "WorkerTrouble", f"{event.member}: {event.reason}", True)
                )
            case _:
                pass
    return found


OURS = frozenset(
    {
        "InvalidSpec",
        "PodTemplateInvalid",
        "ClaimTemplateInvalid",
        "QuotaExceeded",
        "Forbidden",
        "NameTaken",
        "MetricMissing",
        "AnswerRefused",
        BEING_DELETED,
    }
)
"""Problems that only we know of. Others are those of a Pod that exists: its Events tell them."""


def troubled(problem: Problem, generation: int, now: float) -> Told | None:
    """What keeps an experiment from going on: once for each kind of cause and each spec."""
    if problem.reason not in OURS:
        return None
    name = f"g{generation}-{problem.reason.lower()}"
    return Told(name, now, problem.reason, problem.message, warning=True)


def event_object(key: Key, it: Told) -> Object:
    """The Event about the experiment."""
    when = timestamp(it.time)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{key.name}.{key.uid[:8]}.{it.name}", "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": "PopulationExperiment",
            "name": key.name,
            "namespace": key.namespace,
            "uid": key.uid,
        },
        "type": "Warning" if it.warning else "Normal",
        "reason": it.reason,
        "message": it.message[:1000],
        "firstTimestamp": when,
        "lastTimestamp": when,
        "count": 1,
        "source": {"component": "population-operator"},
    }


def _told(entry: Entry, index: int, reason: str, message: str, warning: bool) -> Told:
    return Told(f"{entry.seq}-{index}", entry.time, reason, message, warning)


def _decision(it: Decision, before: State) -> str:
    """Who copied whom, from which step, and what was explored from there."""
    if it.kind is DecisionKind.PROMOTE:
        return f"{it.member} is promoted at step {it.at_step}: {it.reason}"
    if it.source is None:
        return f"{it.member} starts again: {it.reason}"
    donor = before.members.get(it.source.member)
    old = donor.decision.hyperparameters if donor else {}
    changes = ", ".join(
        f"{name} {short(old.get(name, 'none'))} -> {short(new)}"
        for name, new in it.hyperparameters.items()
        if old.get(name) != new
    )
    text = f"{it.member} copies {it.source.member} from step {it.source.step}"
    return f"{text}: {changes}" if changes else text


def _phase(event: PhaseChanged, entry: Entry, before: State) -> str:
    """What began, or what came of it."""
    after = fold(before, entry) if entry.seq == before.seq + 1 else before
    if after.experiment is None:
        return event.message or event.reason
    spec, best = after.spec.spec, after.best
    if event.reason in ("Started", "Resumed"):
        size, workers = spec.population.members, spec.population.workers
        who = "trials" if spec.algorithm.trials else "members"
        count = "" if spec.algorithm.trials and spec.population.size is None else f"{size} "
        return f"{spec.algorithm.name}: {count}{who} on at most {workers} workers"
    text = event.message or event.reason
    if event.phase.ended and best is not None:
        score = f"{spec.objective.metric} {short(best.score)}"
        text += f"; best {score} by {best.member} at step {best.step}"
    return text
