"""The status of experiments and members: pure functions of the state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from population_operator.adapters.kubernetes.client import Object
from population_operator.adapters.kubernetes.manifests import CHECKPOINTS
from population_operator.adapters.kubernetes.manifests import claimed as claim_of
from population_operator.adapters.kubernetes.names import (
    API_VERSION,
    MEMBER,
    Key,
    labels,
    member_object_name,
    owner,
)
from population_operator.api import PopulationExperiment
from population_operator.api.transitions import REFUSED
from population_operator.core.conditions import Condition, Problem, conditions, refused
from population_operator.core.directives import finished
from population_operator.core.trials import given_up
from population_operator.model.numbers import finite_or_text
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import Member, State


def short(value: object) -> str:
    """A number as it is read: four digits that count.

    >>> [short(x) for x in (12.957046952824426, 1e-7, 64, True, "adam", float("nan"))]
    ['12.96', '1e-07', '64', 'true', 'adam', 'nan']
    """
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.6g}"
        case _:
            return str(value)


def timestamp(seconds: float) -> str:
    """RFC 3339, as the API server writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refused_status(problem: Problem, previous: Object, generation: int, now: float) -> Object:
    """The status of an experiment that cannot begin, since its spec cannot be used."""
    return {
        "phase": REFUSED,
        "observedGeneration": generation,
        "conditions": _shown(refused(problem), previous, generation, now),
    }


def _shown(
    found: Iterable[Condition], previous: Object, generation: int, now: float
) -> list[Object]:
    """A condition keeps its time of transition for as long as its status stays what it was."""
    before = {c["type"]: c for c in previous.get("conditions", ())}
    shown = []
    for condition in found:
        status = "True" if condition.status else "False"
        old = before.get(condition.type, {})
        same = old.get("status") == status
        shown.append(
            {
                "type": condition.type,
                "status": status,
                "reason": condition.reason,
                "message": condition.message,
                "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(now),
                "observedGeneration": generation,
            }
        )
    return shown


def experiment_status(
    state: State, problems: Sequence[Problem], previous: Object, generation: int, now: float
) -> Object:
    """The status of the experiment. Its size does not depend on steps or members."""
    members = state.members.values()
    status_: Object = {
        "phase": str(state.phase),
        "algorithm": state.spec.spec.algorithm.name,
        "step": max((m.step for m in members), default=0),
        "observedGeneration": generation,
        "conditions": _shown(conditions(state, problems), previous, generation, now),
        "counts": {
            "members": len(state.members),
            "running": sum(m.worker is not None and not m.reported for m in members),
            "readyWorkers": sum(w.open and w.started for w in state.workers.values()),
            "decisions": state.decisions,
            "exploits": state.exploits,
        },
    }
    status_["shown"] = {"step": f"{status_['step']}/{state.spec.spec.schedule.max_steps}"}
    if state.best is not None:
        status_["best"] = _best(state, state.best)
        status_["shown"]["best"] = short(state.best.score)
    return status_


def member_object(key: Key, state: State, member: Member) -> Object:
    """The object that shows one member."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PopulationMember",
        "metadata": {
            "name": member_object_name(key.name, member.name),
            "namespace": key.namespace,
            "labels": labels(key) | {MEMBER: member.name},
            "ownerReferences": [owner(key)],
        },
        "spec": {"experiment": key.name, "member": member.name},
        "status": member_status(state, member),
    }


def member_status(state: State, member: Member) -> Object:
    """Where the member stands."""
    source, report = member.decision.source, member.latest or member.good
    parent = f"{source.member}@{source.step}" if source and source.member != member.name else ""
    shown: Object = {
        "phase": _phase(state, member),
        "step": member.step,
        "parent": parent or _last_parent(member),
        "worker": member.worker or "",
        "baseline": member.baseline,
        "decisions": member.decision.count,
        "restarts": member.failures,
        "hyperparameters": dict(member.decision.hyperparameters),
        "checkpoint": uri(state, member.kept.ref) if member.kept else "",
    }
    values = member.decision.hyperparameters
    text = ", ".join(f"{name} {short(value)}" for name, value in values.items())
    shown["shown"] = {"hyperparameters": text}
    if report is not None and report.directive:
        shown["score"] = report.score if math.isfinite(report.score) else str(report.score)
        shown["shown"]["score"] = short(report.score)
    if member.trial:
        shown |= {"bracket": member.decision.bracket or 0, "rung": member.decision.rung or 0}
    if member.directives:
        shown["directive"] = member.directives[-1]
    return shown


def checkpoints_uri(experiment: PopulationExperiment) -> str:
    """Where an experiment's checkpoints lie: the claim, and the path in it."""
    return f"pvc://{claim_of(experiment) or 'emptyDir'}/{experiment.metadata.uid}"


def uri(state: State, ref: CheckpointRef) -> str:
    """Where a checkpoint lies."""
    return f"{checkpoints_uri(state.spec)}/{ref}"


def checkpoint_path(state: State, ref: CheckpointRef) -> str:
    """Where a worker sees it."""
    return str(CHECKPOINTS / state.spec.metadata.uid / str(ref))


def _best(state: State, best: Report) -> Object:
    member = state.members[best.member]
    values = best.hyperparameters or member.decision.hyperparameters
    shown = state.spec.spec.objective.report
    return {
        "member": best.member,
        "step": best.step,
        "score": best.score,
        "hyperparameters": dict(values),
        "checkpoint": uri(state, best.ref) if best.checkpoint else "",
        "metrics": {
            name: finite_or_text(best.metrics[name]) for name in shown if name in best.metrics
        },
    }


def _phase(state: State, member: Member) -> str:
    if given_up(state.spec.spec, member):
        return "Failed"
    if member.stopped:
        return "Stopped"
    if finished(member, state.spec.spec.schedule):
        return "Finished"
    if state.phase.ended:
        return "Ended"
    if member.worker is not None and not member.reported:
        return "Training"
    if member.not_before > state.time:
        return "BackOff"
    return "Waiting"


def _last_parent(member: Member) -> str:
    """Of the newest report along the lineage that another member made."""
    for report in reversed(member.lineage):
        if report.member != member.name:
            return f"{report.member}@{report.step}"
    return ""
