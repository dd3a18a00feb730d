"""The whole cluster, in one folder; one at a time on a machine."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tests.apiserver.cluster import binaries, credentials, storage
from tests.apiserver.cluster.control_plane import ControlPlane, Pace

from e2e.cluster import network, packages, sweep
from e2e.cluster.access import Access, Tell
from e2e.cluster.network import NodeNetwork
from e2e.cluster.node import Node, Programs
from e2e.cluster.packages import CannotRun

FOLDER = Path("/var/lib/population-e2e")
GPUS = (2, 1)


class Cluster(Access):
    """`with Cluster(images, tell) as cluster:`; node-0 and node-1 with 2 and 1 GPUs.

    Args:
      images: archives that every node gets before its kubelet starts.
      tell: one line of progress.
    """

    def __init__(self, images: list[Path], tell: Tell = print, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.tell = tell
        self.images = images
        self.networks = [NodeNetwork(index) for index in range(len(GPUS))]
        self.nodes: dict[str, Node] = {}

    def start(self) -> None:
        programs = find_programs(self.tell)
        self.binaries = binaries.find_or_build(self.tell)
        sweep.sweep(self.folder, self.networks)
        sweep.prepare(self.folder)
        try:
            self._start(programs)
        except BaseException:
            self.stop(Path("e2e-logs"))
            raise

    def _start(self, programs: Programs) -> None:
        network.create(self.networks)
        pace = Pace(node_grace=12.0)
        self.control_plane = ControlPlane(self.binaries, self.folder, pace, host=network.HOST)
        self.control_plane.start()
        plane = self.control_plane
        self.client = plane.client
        storage.make_class(self.client)
        kubeconfig = plane.kubeconfig_for("nodes", plane.credentials.tokens[credentials.NODES])
        for place, gpus in zip(self.networks, GPUS, strict=True):
            folder = self.folder / f"node-{place.index}"
            authority = plane.credentials.ca_file
            node = Node(place, folder, programs, self.client, kubeconfig, authority, gpus)
            self.nodes[node.name] = node
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._start_node, self.nodes.values()))
        self.tell(f"Kubernetes {binaries.VERSION} is up with {len(self.nodes)} nodes")

    def _start_node(self, node: Node) -> None:
        node.start()
        for archive in self.images:
            node.import_image(archive)
        node.join()
        node.wait_until_ready()

    def stop(self, keep_logs: Path | None = None) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.stop, self.nodes.values()))
        if hasattr(self, "control_plane"):
            self.control_plane.stop()
        sweep.sweep(self.folder, self.networks, keep_logs)

    @property
    def kubeconfig(self) -> Path:
        return self.control_plane.kubeconfig

    @property
    def program(self) -> Path:
        return self.binaries.kubectl

    def claim(self, namespace: str, name: str, folder: Path) -> None:
        """A volume on a folder of this machine, which everybody may write."""
        storage.shared(self.client, namespace, folder, name)

    def forget(self, namespace: str) -> None:
        storage.forget(self.client, namespace)

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(None if kind is None else Path("e2e-logs"))


def find_programs(tell: Tell) -> Programs:
    """Installs what is missing where this is Debian and we are root.

    Raises:
      CannotRun: something is missing that we cannot install.
    """
    if os.geteuid() != 0:
        raise CannotRun("a cluster of real nodes needs root: use sudo, or E2E_CLUSTER=existing")
    packages.install(packages.FOR_NODES, tell)
    node = binaries.find_or_build_node(tell)
    return Programs(
        node["kubelet"],
        node["kube-proxy"],
        packages.find("containerd"),
        packages.find("ctr"),
    )
