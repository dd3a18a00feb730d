"""The Node object and its Lease, renewed as long as the agent lives."""

from __future__ import annotations

import asyncio
import logging

from tests.apiserver.cluster.client import ApiError
from tests.apiserver.cluster.kubelet.api import STRATEGIC, UNREACHABLE, Api, Object
from tests.apiserver.cluster.kubelet.events import timestamp
from tests.apiserver.cluster.kubelet.settings import Settings

log = logging.getLogger("node")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
LOOK_EVERY = 5  # renewals


async def keep(api: Api, settings: Settings, log_port: int) -> None:
    """Registers the node, then renews its lease; repairs a status that a partition left."""
    path = f"/api/v1/nodes/{settings.node}"
    registered, renewals = False, 0
    while True:
        try:
            if not registered or renewals % LOOK_EVERY == 0:
                await _report(api, path, settings, log_port, always=not registered)
                registered = True
            await _renew(api, settings)
            renewals += 1
        except (ApiError, *UNREACHABLE) as error:
            log.warning("%s: %s", settings.node, error or type(error).__name__)
        await asyncio.sleep(settings.lease_seconds if registered else 0.2)


async def _report(api: Api, path: str, settings: Settings, log_port: int, always: bool) -> None:
    try:
        found = await api.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
        found = await api.create("/api/v1/nodes", _node(settings))
        always = True
    conditions = found.get("status", {}).get("conditions", ())
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    if always or not ready:
        await api.patch(f"{path}/status", {"status": _status(settings, log_port)}, STRATEGIC)


async def _renew(api: Api, settings: Settings) -> None:
    spec = {
        "holderIdentity": settings.node,
        "leaseDurationSeconds": 40,
        "renewTime": timestamp(micro=True),
    }
    try:
        await api.patch(f"{LEASES}/{settings.node}", {"spec": spec})
    except ApiError as error:
        if error.status != 404:
            raise
        await api.create(LEASES, {"metadata": {"name": settings.node}, "spec": spec})


def _node(settings: Settings) -> Object:
    labels = {
        "kubernetes.io/hostname": settings.node,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": settings.node, "labels": labels | settings.labels},
    }


def _status(settings: Settings, log_port: int) -> Object:
    now = timestamp()
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind, status, reason, message in (
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "enough memory"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "enough PIDs"),
            ("Ready", "True", "KubeletReady", "the test's node agent is posting ready status"),
        )
    ]
    return {
        "capacity": settings.capacity,
        "allocatable": settings.capacity,
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": settings.host_ip},
            {"type": "Hostname", "address": settings.node},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": log_port}},
        "nodeInfo": {
            "kubeletVersion": settings.version,
            "containerRuntimeVersion": "process://1",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "osImage": "this machine",
            "kernelVersion": "",
            "kubeProxyVersion": "",
            "machineID": settings.node,
            "systemUUID": settings.node,
            "bootID": now,
        },
    }
