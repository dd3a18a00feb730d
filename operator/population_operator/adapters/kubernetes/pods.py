"""What a Pod's status means: pure functions from the object to what the core knows."""

from __future__ import annotations

from datetime import datetime

from population_operator.adapters.kubernetes.client import Object
from population_operator.adapters.kubernetes.names import INCARNATION, UID, WORKER
from population_operator.core.conditions import Problem
from population_operator.core.observation import PresentWorker
from population_operator.model.entry import Cause, WorkerGone

OVERDUE = 30.0
"""Seconds after the end of its grace period."""


def trimmed(pod: Object) -> Object:
    """What is kept of a Pod in the cache: its template is not."""
    metadata, status = pod["metadata"], pod.get("status", {})
    return {
        "metadata": {
            key: metadata[key]
            for key in ("name", "namespace", "uid", "labels", "deletionTimestamp")
            if key in metadata
        },
        "spec": {
            "nodeName": pod.get("spec", {}).get("nodeName", ""),
            "containers": [{"name": it["name"]} for it in pod["spec"]["containers"]],
        },
        "status": {
            key: status[key]
            for key in (
                "phase", "reason", "message", "podIP", "conditions",
                "containerStatuses", "initContainerStatuses",
            )
            if key in status
        },
    }  # fmt: skip


def worker_container(spec: Object) -> Object:
    """The container that trains: the one named `worker`, else the first."""
    containers: list[Object] = spec["containers"]
    return next((it for it in containers if it["name"] == "worker"), containers[0])


def place(pod: Object) -> tuple[str, int]:
    """The slot and the incarnation."""
    labels = pod["metadata"]["labels"]
    return str(labels[WORKER]), int(labels[INCARNATION])


def experiment_uid(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(UID, ""))


def address(pod: Object) -> str:
    return str(pod["status"].get("podIP", ""))


def started(pod: Object) -> bool:
    """Whether the worker's container runs."""
    return "running" in _worker(pod).get("state", {})


def ran(pod: Object) -> bool:
    """Whether the worker's container has run."""
    states = (_worker(pod).get("state", {}), _worker(pod).get("lastState", {}))
    return any("running" in state or "terminated" in state for state in states)


def is_overdue(pod: Object, now: float) -> bool:
    """Whether it should be gone for half a minute and is not, as on a node that is lost."""
    by = pod["metadata"].get("deletionTimestamp")
    return by is not None and now > datetime.fromisoformat(by).timestamp() + OVERDUE


def present(pod: Object) -> PresentWorker:
    """What its Pod shows of a worker; what it answers is not known to the Pod."""
    worker, incarnation = place(pod)
    uid = str(pod["metadata"]["uid"])
    return PresentWorker(worker, incarnation, uid, started(pod), answered=False)


def gone(pod: Object) -> WorkerGone | None:
    """Whether the incarnation is over, and why. One that is being deleted is over already."""
    status, worker = pod["status"], place(pod)
    disruption = _condition(pod, "DisruptionTarget")
    ended = _terminated(pod)
    if status.get("reason") == "Evicted":
        return _gone(worker, Cause.EVICTED, status.get("message", "evicted"))
    if status.get("reason") == "NodeLost":
        return _gone(worker, Cause.NODE_LOST, status.get("message", "its node is lost"))
    if disruption is not None:
        detail = f"{disruption.get('reason', '')}: {disruption.get('message', '')}"
        return _gone(worker, Cause.PREEMPTED, detail)
    if "deletionTimestamp" in pod["metadata"]:
        return _gone(worker, Cause.VANISHED, "the Pod was deleted")
    if ended is not None and ended.get("reason") == "OOMKilled":
        return _gone(worker, Cause.OUT_OF_MEMORY, "out of memory: raise its limit")
    if ended is not None or status.get("phase") in ("Failed", "Succeeded"):
        return _gone(worker, Cause.EXITED, _how(pod, ended or {}))
    return None


def problem(pod: Object) -> Problem | None:
    """Why a Pod that should run does not."""
    scheduled = _condition(pod, "PodScheduled", status="False")
    if scheduled is not None:
        reason, message = scheduled.get("reason", ""), scheduled.get("message", "")
        if reason == "SchedulingGated":
            return Problem("Queued", f"{_name(pod)} waits in a queue: {message}")
        if "persistentvolumeclaim" in message and "not found" in message:
            return Problem("ClaimMissing", f"{_name(pod)}: {message}")
        return Problem("Unschedulable", f"{_name(pod)}: {message}")
    every = [*pod["status"].get("initContainerStatuses", ()), *_containers(pod)]
    for container in every:
        waiting = container.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason in ("", "ContainerCreating", "PodInitializing"):
            continue
        if "Image" in reason or reason == "ErrImagePull":
            why = f"{_name(pod)}: {reason}: {waiting.get('message', '')}"
            return Problem(
                "ImagePull", f"{why}; once spec.worker.template is mended, delete the Pod"
            )
        return Problem(reason, f"{_name(pod)}: {waiting.get('message', '')}")
    return None


def claim_missing(pod: Object) -> bool:
    """Whether it waits for a claim that does not exist."""
    found = problem(pod)
    return found is not None and found.reason == "ClaimMissing"


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _containers(pod: Object) -> list[Object]:
    return list(pod["status"].get("containerStatuses", ()))


def _terminated(pod: Object) -> Object | None:
    ended: Object | None = _worker(pod).get("state", {}).get("terminated")
    return ended


def _worker(pod: Object) -> Object:
    """The status of the container that trains; a kubelet lists them by name."""
    name = worker_container(pod["spec"])["name"]
    return next((status for status in _containers(pod) if status["name"] == name), {})


def _condition(pod: Object, kind: str, status: str = "True") -> Object | None:
    for condition in pod["status"].get("conditions", ()):
        if condition["type"] == kind and condition["status"] == status:
            found: Object = condition
            return found
    return None


def _how(pod: Object, ended: Object) -> str:
    code = ended.get("exitCode", "unknown")
    said = str(ended.get("message", "")).strip().splitlines()
    text = f"ended with exit code {code}"
    if said:
        text += f"; it said: {said[-1][:300]}"
    elif pod["status"].get("message"):
        text += f": {pod['status']['message']}"
    else:
        text += "; it left no message"
    return text


def _gone(worker: tuple[str, int], cause: Cause, detail: str) -> WorkerGone:
    return WorkerGone(worker=worker[0], incarnation=worker[1], cause=cause, detail=detail[:500])
