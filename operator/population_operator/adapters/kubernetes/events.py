"""Kubernetes Events: what happened, in human words, from the entries that were appended."""

from __future__ import annotations

from dataclasses import dataclass

from population_operator.adapters.kubernetes.client import Object
from population_operator.adapters.kubernetes.names import API_VERSION, Key
from population_operator.adapters.kubernetes.status import timestamp
from population_operator.core.conditions import Problem
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
                text = event.message or event.reason
                found.append(_told(entry, index, str(event.reason), text, bad))
            case Decided() if event.decision.kind not in (
                DecisionKind.CONTINUE,
                DecisionKind.START,
                DecisionKind.PROMOTE,
                DecisionKind.STOP,
            ):
                kind = str(event.decision.kind).capitalize()
                warning = event.decision.kind is not DecisionKind.EXPLOIT
                text = _decision(event.decision, before)
                found.append(_told(entry, index, kind, text, warning))
            case MemberFailed():
                text = f"{event.member}: {event.cause}: {event.detail}"
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


def troubled(problem: Problem, generation: int, now: float) -> Told:
    """What keeps an experiment from going on: once for each kind of cause and each spec."""
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
    if it.source is None:
        return f"{it.member} starts again: {it.reason}"
    donor = before.members.get(it.source.member)
    old = donor.decision.hyperparameters if donor else {}
    changes = ", ".join(
        f"{name} {_short(old.get(name, 'none'))} -> {_short(new)}"
        for name, new in it.hyperparameters.items()
        if old.get(name) != new
    )
    text = f"{it.member} copies {it.source.member} from step {it.source.step}"
    return f"{text}: {changes}" if changes else text


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
