"""Manifests of Pods for the tests of the cluster itself, and what their status says."""

from __future__ import annotations

import sys
from typing import Any

Object = dict[str, Any]
SLEEP = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: exit(0))
print("up", flush=True)
time.sleep(600)
"""
SERVE = """
import functools, http.server, os
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/data")
http.server.HTTPServer((os.environ["POD_IP"], 8080), handler).serve_forever()
"""
GPU = "nvidia.com/gpu"
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def python(name: str, program: str = SLEEP, gpus: int = 0, **fields: Any) -> Object:
    """A Pod of one container `main` that runs a Python program; `fields` go into the container."""
    container: Object = {
        "name": "main",
        "image": "python",
        "command": [sys.executable, "-c", program],
    }
    if gpus:
        container["resources"] = {"limits": {GPU: str(gpus)}}
    return pod(name, container | fields, terminationGracePeriodSeconds=3)


def pod(name: str, container: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


def ready(found: Object) -> bool:
    return condition(found, "Ready").get("status") == "True"


def condition(found: Object, kind: str) -> Object:
    conditions = found.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


def state(found: Object) -> Object:
    """{"waiting": …}, {"running": …} or {"terminated": …} of the first container."""
    statuses = found.get("status", {}).get("containerStatuses")
    return statuses[0]["state"] if statuses else {}


def reason(found: Object) -> str:
    """Why the first container waits or ended."""
    return next((str(one.get("reason", "")) for one in state(found).values()), "")
