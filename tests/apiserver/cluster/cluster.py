"""The whole: a control plane, nodes, a registry of images, shared storage."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.apiserver.cluster import credentials, kubectl, storage
from tests.apiserver.cluster.binaries import VERSION, Binaries
from tests.apiserver.cluster.client import ApiError, Client
from tests.apiserver.cluster.control_plane import HOST, ControlPlane, Pace
from tests.apiserver.cluster.images import Images
from tests.apiserver.cluster.kubelet.settings import Settings
from tests.apiserver.cluster.node import Node

MEMORY = Path("/dev/shm")


class Cluster:
    """`with Cluster(binaries, folder) as cluster:`; node-0 … node-N, each with `gpus` GPUs."""

    def __init__(
        self,
        binaries: Binaries,
        folder: Path,
        nodes: int = 2,
        gpus: int = 4,
        pace: Pace | None = None,
    ) -> None:
        self.binaries = binaries
        self.folder = folder
        self.control_plane = ControlPlane(binaries, folder, pace)
        self.client: Client = self.control_plane.client
        self.audit = self.control_plane.audit
        self.images = Images(folder / "images.json")
        self._sockets = tempfile.TemporaryDirectory(prefix="pop-")  # socket paths must be short
        self._network = random.randrange(16, 240)  # of 127.x: two clusters do not meet
        self._indices = itertools.count()
        self.nodes: dict[str, Node] = {}
        for index in range(nodes):
            self._add(f"node-{index}", gpus)

    @property
    def kubeconfig(self) -> Path:
        """The admin's."""
        return self.control_plane.kubeconfig

    def start(self) -> None:
        self.control_plane.start()
        try:
            storage.make_class(self.client)
            for node in self.nodes.values():
                node.start(wait=False)
            for node in self.nodes.values():
                node.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.control_plane.ready():
            storage.remove_provisioned(self.client)
        with ThreadPoolExecutor() as pool:  # each has processes to end
            list(pool.map(Node.stop, self.nodes.values()))
        self.control_plane.stop()
        for node in self.nodes.values():
            node.clean()
        self._sockets.cleanup()

    def add_node(
        self, name: str, gpus: int = 0, labels: dict[str, str] | None = None, isolation: str = ""
    ) -> Node:
        """One more node, started and ready; at most eight at a time."""
        node = self._add(name, gpus, labels, isolation)
        node.start()
        return node

    def remove_node(self, name: str) -> None:
        """Stops it and deletes its object; the control plane then deletes its Pods."""
        node = self.nodes.pop(name)
        node.stop()
        node.clean()
        self.client.delete(f"/api/v1/nodes/{name}")

    def node_of(self, namespace: str, pod: str) -> Node:
        found = self.client.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")
        return self.nodes[found["spec"]["nodeName"]]

    def remove_namespace(self, name: str) -> None:
        """Kills its Pods and deletes it, without waiting."""
        pods = f"/api/v1/namespaces/{name}/pods"
        for pod in self.client.items(pods):
            with contextlib.suppress(ApiError):
                self.client.delete(f"{pods}/{pod['metadata']['name']}", grace=1)
        storage.forget(self.client, name)
        with contextlib.suppress(ApiError):
            self.client.delete(f"/api/v1/namespaces/{name}")

    def describe(self, namespace: str) -> str:
        """Pods, events and the ends of the containers' logs, for a failed test's report."""
        scope = f"--namespace={namespace}"
        shown = [
            self.kubectl(scope, "get", "pods", "-o", "wide", check=False),
            self.kubectl(scope, "get", "events", "--sort-by=.lastTimestamp", check=False),
        ]
        for path in sorted(self.folder.glob(f"nodes/*/{namespace}_*/*/*.log")):
            lines = path.read_text(errors="replace").splitlines()[-15:]
            shown.append("\n".join([str(path), *(f"  {line}" for line in lines)]))
        return "\n".join(shown)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl as the admin: its output. Where it fails and `check`, its words are the error."""
        where = (self.binaries.kubectl, self.kubeconfig)
        return kubectl.run(*where, *arguments, stdin=stdin, check=check)

    def kubectl_json(self, *arguments: str) -> Any:
        return json.loads(self.kubectl(*arguments, "-o", "json"))

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _add(
        self, name: str, gpus: int, labels: dict[str, str] | None = None, isolation: str = ""
    ) -> Node:
        index = next(self._indices) % 8
        plane = self.control_plane
        capacity = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}
        settings = Settings(
            node=name,
            server=f"https://{HOST}:{plane.port}",
            ca_file=str(plane.credentials.ca_file),
            token=plane.credentials.tokens[credentials.NODES],
            folder=str(self.folder / "nodes" / name),
            memory=str((MEMORY if MEMORY.is_dir() else self.folder) / f"pop-{plane.port}-{name}"),
            socket=f"{self._sockets.name}/{name}",
            images=str(self.images.path),
            network=self._network,
            index=index,
            tls_certificate=str(plane.credentials.tls_certificate),
            tls_key=str(plane.credentials.tls_key),
            version=f"v{VERSION}",
            capacity=capacity | ({"nvidia.com/gpu": str(gpus)} if gpus else {}),
            labels=labels or {},
            isolation=isolation,
        )
        self.nodes[name] = Node(settings, self.client, self.folder)
        return self.nodes[name]
