"""A node as tests hold it: its agent's process, and what can be done to the node and its Pods."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tests.apiserver.cluster.client import Client
from tests.apiserver.cluster.kubelet.settings import Settings
from tests.apiserver.cluster.process import Server

CHECKOUT = Path(__file__).resolve().parents[3]


class Node:
    """One node. Its Pods' processes are children of its agent and end with it."""

    def __init__(self, settings: Settings, client: Client, logs: Path) -> None:
        self.name = settings.node
        self.settings = settings
        self._client = client
        self.folder = Path(settings.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "settings.json"
        settings.write(file)
        self.agent = Server(
            [sys.executable, "-m", "tests.apiserver.cluster.node_agent", file],
            logs / f"{self.name}.log",
            {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        )

    def start(self, wait: bool = True) -> None:
        """Boots the node, also after `crash` or `stop`; returns when it takes Pods."""
        self.agent.start()
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 30) -> None:
        def ready() -> bool:
            found = self._client.find(f"/api/v1/nodes/{self.name}")
            conditions = (found or {}).get("status", {}).get("conditions", [])
            return (
                any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
                and found is not None
                and not found["spec"].get("taints")
                and Path(self.settings.socket).exists()
            )

        self.agent.wait_until(ready, seconds)

    def crash(self) -> None:
        """Power off: the agent and every process of its Pods are gone at once."""
        self.agent.kill()

    def stop(self) -> None:
        """The agent ends its Pods' processes and itself; the Pods' objects stay as they are."""
        self.agent.stop(5)

    def partition(self) -> None:
        """Cut off from the API server while its Pods' processes run on, until `heal`."""
        self.agent.pause()

    def heal(self) -> None:
        self.agent.resume()

    def pods(self) -> list[dict[str, Any]]:
        """What runs here: `{"pod": "ns/name", "uid", "ip", "containers": {name: pid}}`."""
        found: list[dict[str, Any]] = self.ask({"do": "list"})["pods"]
        return found

    def signal(self, pod: str, number: int = signal.SIGKILL, container: str = "") -> None:
        """A signal to the main process of a container of `namespace/name` (default: the first)."""
        self.ask({"do": "signal", "pod": pod, "container": container, "signal": number})

    def out_of_memory(self, pod: str, container: str = "") -> None:
        """The kernel's OOM killer takes the container: exit 137, reason OOMKilled."""
        self.ask({"do": "oom", "pod": pod, "container": container})

    def evict(self, pod: str, resource: str = "memory") -> None:
        """Node pressure: the Pod's processes are killed, its phase is Failed, reason Evicted."""
        self.ask({"do": "evict", "pod": pod, "resource": resource})

    def ask(self, request: dict[str, Any], seconds: float = 10) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(self.settings.socket)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile() as file:
                answer: dict[str, Any] = json.loads(file.readline())
        if "error" in answer:
            raise LookupError(f"{self.name}: {answer['error']}")
        return answer

    def clean(self) -> None:
        """Removes what the agent put into memory (`medium: Memory`)."""
        shutil.rmtree(self.settings.memory, ignore_errors=True)
