"""Targets for Prometheus, with the labels that its own discovery of Kubernetes would give them.

Debian builds Prometheus without that discovery. It reads a file for each role instead, which
a thread here keeps current; the rules that choose among the targets are the same.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.apiserver.cluster import Client

Object = dict[str, Any]
ROLES = ("pod", "endpoints")
SECONDS = 1.0
META = "__meta_kubernetes"


class Discovery:
    """`start`, then `folder/ROLE.json` is current to a second; `stop`."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def file(self, role: str) -> Path:
        return self._folder / f"{role}.json"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stopped.wait(SECONDS):
            try:
                pods = self._client.items("/api/v1/pods")
                services = self._client.items("/api/v1/services")
            except Exception:  # noqa: S112 - the API server may be away: what was known stays.
                continue
            self._write("pod", list(_of_pods(pods)))
            self._write("endpoints", list(_of_services(services, pods)))

    def _write(self, role: str, targets: list[Object]) -> None:
        fresh = self.file(role).with_suffix(".new")
        fresh.write_text(json.dumps(targets))
        fresh.rename(self.file(role))


def label(name: str) -> str:
    """The name of a label of Kubernetes, as a part of a label of Prometheus."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _of_pods(pods: list[Object]) -> Iterator[Object]:
    for pod in pods:
        address = pod.get("status", {}).get("podIP")
        for container in pod["spec"]["containers"] if address else ():
            for port in container.get("ports", ()):
                labels = _pod_labels(pod, container, port) | _all_labels(pod, "pod")
                yield {"targets": [f"{address}:{port['containerPort']}"], "labels": labels}


def _of_services(services: list[Object], pods: list[Object]) -> Iterator[Object]:
    """The Pods behind each Service, by the named ports of their containers."""
    for service in services:
        wanted = (service["spec"].get("selector") or {}).items()
        place = service["metadata"]["namespace"]
        chosen = [
            pod
            for pod in pods
            if wanted
            and pod["metadata"]["namespace"] == place
            and wanted <= pod["metadata"].get("labels", {}).items()
        ]
        ports = {port.get("targetPort"): port.get("name", "") for port in service["spec"]["ports"]}
        for target in _of_pods(chosen):
            name = ports.get(target["labels"][f"{META}_pod_container_port_name"])
            if name is not None:
                more = {
                    f"{META}_service_name": service["metadata"]["name"],
                    f"{META}_endpoint_port_name": name,
                }
                labels = target["labels"] | more | _all_labels(service, "service")
                yield {"targets": target["targets"], "labels": labels}


def _pod_labels(pod: Object, container: Object, port: Object) -> dict[str, str]:
    return {
        f"{META}_namespace": pod["metadata"]["namespace"],
        f"{META}_pod_name": pod["metadata"]["name"],
        f"{META}_pod_phase": pod["status"]["phase"],
        f"{META}_pod_container_name": container["name"],
        f"{META}_pod_container_port_name": port.get("name", ""),
    }


def _all_labels(thing: Object, kind: str) -> dict[str, str]:
    labels = thing["metadata"].get("labels", {})
    return {f"{META}_{kind}_label_{label(name)}": value for name, value in labels.items()}
