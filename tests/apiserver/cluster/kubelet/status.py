"""A Pod's status from what its containers do: pure, as a kubelet composes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.apiserver.cluster.kubelet.api import Object


@dataclass
class ContainerState:
    """What is known of one container."""

    name: str
    image: str
    state: Object
    last: Object = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    id: str = ""

    @property
    def waiting(self) -> bool:
        return "waiting" in self.state

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    def show(self) -> Object:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"local/{self.image}" if self.id else "",
            "containerID": self.id,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }


@dataclass
class PodState:
    """Everything that the status shows, and what it showed last (for transition times)."""

    init: Sequence[ContainerState]
    containers: Sequence[ContainerState]
    pod_ip: str
    host_ip: str
    start_time: str = ""
    sandbox: bool = False  # volumes are mounted, the Pod has its address
    initialized: bool = False
    failed_reason: str = ""  # Evicted, DeadlineExceeded: ends the Pod whatever its containers do
    failed_message: str = ""
    conditions: dict[str, Object] = field(default_factory=dict)


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def terminated(code: int, reason: str, started: str, finished: str, message: str = "") -> Object:
    body: Object = {
        "exitCode": code,
        "reason": reason,
        "startedAt": started or None,
        "finishedAt": finished,
    }
    return {"terminated": body | ({"message": message} if message else {})}


def phase(state: PodState, policy: str) -> str:
    if state.failed_reason:
        return "Failed"
    if policy == "Never" and any(one.exit_code for one in state.init):
        return "Failed"
    if not state.initialized:
        return "Pending"
    codes = [one.exit_code for one in state.containers]
    if any(one.running for one in state.containers):
        fresh = (one.waiting and not one.last for one in state.containers)
        return "Pending" if any(fresh) else "Running"
    if any(one.waiting for one in state.containers):
        fresh = (one.waiting and not one.last for one in state.containers)
        return "Pending" if any(fresh) else "Running"
    if policy == "Always":
        return "Running"
    if all(code == 0 for code in codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def compose(state: PodState, pod: Object, now: str) -> Object:
    """The status to send; remembers its conditions in `state`."""
    spec = pod["spec"]
    deleted = "deletionTimestamp" in pod["metadata"]
    policy = "Never" if deleted else spec.get("restartPolicy", "Always")
    found = phase(state, policy)
    generation = pod["metadata"].get("generation", 0)
    conditions = []
    for kind, (status, reason, message) in _conditions(state, pod, found).items():
        known = state.conditions.get(kind, {})
        changed = known.get("status") != status
        state.conditions[kind] = {
            "type": kind,
            "status": status,
            "reason": reason or None,  # null removes what stood there
            "message": message or None,
            "lastProbeTime": None,
            "lastTransitionTime": now if changed else known["lastTransitionTime"],
            "observedGeneration": generation,
        }
        conditions.append(state.conditions[kind])
    body: Object = {
        "observedGeneration": generation,
        "phase": found,
        "conditions": conditions,
        "hostIP": state.host_ip,
        "hostIPs": [{"ip": state.host_ip}],
        "startTime": state.start_time,
        "containerStatuses": [one.show() for one in state.containers],
    }
    if state.init:
        body["initContainerStatuses"] = [one.show() for one in state.init]
    if state.sandbox:
        body |= {"podIP": state.pod_ip, "podIPs": [{"ip": state.pod_ip}]}
    if state.failed_reason:
        body |= {"reason": state.failed_reason, "message": state.failed_message}
    return body


def _conditions(state: PodState, pod: Object, found: str) -> dict[str, tuple[str, str, str]]:
    over = found in ("Succeeded", "Failed")
    completed = ("False", "PodCompleted" if found == "Succeeded" else "PodFailed", "")
    unready = [one.name for one in state.containers if not one.ready]
    if over:
        containers = completed
    elif unready:
        names = " ".join(unready)
        containers = "False", "ContainersNotReady", f"containers with unready status: [{names}]"
    else:
        containers = "True", "", ""
    ready = containers
    gates = [one["conditionType"] for one in pod["spec"].get("readinessGates", ())]
    observed = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    if containers[0] == "True" and any(observed.get(gate) != "True" for gate in gates):
        ready = "False", "ReadinessGatesNotReady", "a readiness gate is not True"
    incomplete = [one.name for one in state.init if one.exit_code != 0]
    initialized = ("True", "PodCompleted" if found == "Succeeded" else "", "")
    if not state.initialized:
        names = " ".join(incomplete)
        message = f"containers with incomplete status: [{names}]"
        initialized = "False", "ContainersNotInitialized", message
    return {
        "PodReadyToStartContainers": ("True" if state.sandbox and not over else "False", "", ""),
        "Initialized": initialized,
        "ContainersReady": containers,
        "Ready": ready,
    } | (
        {"DisruptionTarget": ("True", "TerminationByKubelet", state.failed_message)}
        if state.failed_reason == "Evicted"
        else {}
    )
