"""A node: containerd, kubelet and kube-proxy in a network namespace and cgroups of their own."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.apiserver.cluster.client import ApiError, Client
from tests.apiserver.cluster.process import Server, ServerFailed

from e2e.cluster import cgroups, configuration
from e2e.cluster.network import NodeNetwork

READY_SECONDS = 90.0
KUBELET_STARTS = 30


@dataclass(frozen=True)
class Programs:
    kubelet: Path
    kube_proxy: Path
    containerd: Path
    ctr: Path


class Node:
    """`start`, then `wait_until_ready`. Its folder holds logs, images, containers and volumes."""

    def __init__(
        self,
        network: NodeNetwork,
        folder: Path,
        programs: Programs,
        client: Client,
        kubeconfig: Path,
        ca_file: Path,
        gpus: int,
    ) -> None:
        self.name = f"node-{network.index}"
        self.network = network
        self.folder = folder
        self.gpus = gpus
        self._client = client
        self._ctr = programs.ctr
        for name in ("kubelet", "pods"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        settings = configuration.write(network, folder, kubeconfig, ca_file)
        inside = network.inside
        self.containerd = Server(
            inside(programs.containerd, "--config", settings.containerd), folder / "containerd.log"
        )
        self.kubelet = Server(
            inside(
                programs.kubelet,
                f"--config={settings.kubelet}",
                f"--kubeconfig={kubeconfig}",
                f"--hostname-override={self.name}",
                f"--node-ip={network.address}",
                f"--root-dir={folder / 'kubelet'}",
                f"--cert-dir={folder / 'kubelet-keys'}",
                f"--node-labels=population-operator.io/e2e={self.name}",
            ),
            folder / "kubelet.log",
        )
        self.proxy = Server(
            inside(programs.kube_proxy, f"--config={settings.proxy}"), folder / "kube-proxy.log"
        )

    @property
    def socket(self) -> Path:
        """containerd's."""
        return configuration.socket(self.folder)

    @property
    def path(self) -> str:
        return f"/api/v1/nodes/{self.name}"

    def start(self) -> None:
        cgroups.create(self.network.index)
        self.containerd.start()
        self.containerd.wait_until(self._containerd_answers, 30)

    def join(self) -> None:
        """After the images are there."""
        self.kubelet.start()
        self.proxy.start()

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """A kubelet ends where containerd still recovers: it is started again, as by systemd."""
        for left in reversed(range(KUBELET_STARTS)):
            try:
                self.kubelet.wait_until(lambda: is_ready(self._client.find(self.path)), seconds)
                break
            except ServerFailed:
                if self.kubelet.running or not left:
                    raise
                self.kubelet.start()
        self.advertise_gpus()

    def advertise_gpus(self) -> None:
        """As a device plugin would; a kubelet keeps extended resources that others set."""
        amount = {"nvidia.com/gpu": str(self.gpus)}
        status = {"capacity": amount, "allocatable": amount}
        self._client.patch(f"{self.path}/status", {"status": status})

    def import_image(self, archive: Path) -> None:
        """An OCI or Docker archive, into the namespace that the kubelet sees."""
        done = self._talk("-n", "k8s.io", "images", "import", "--all-platforms", str(archive))
        if done.returncode:
            raise RuntimeError(f"{self.name}: importing {archive}: {done.stderr.strip()[-800:]}")

    def lose(self) -> None:
        """As if the power failed: kubelet, containerd and every container are gone at once."""
        self.kubelet.kill()
        self.proxy.kill()
        self.containerd.kill()
        cgroups.kill(self.network.index)

    def stop(self) -> None:
        """Everything ends; the order keeps containerd from restarting what goes away."""
        self.kubelet.signal(signal.SIGCONT)
        self.kubelet.stop(5)
        self.proxy.stop(2)
        self.containerd.stop(5)
        cgroups.kill(self.network.index)

    def _containerd_answers(self) -> bool:
        return self._talk("--connect-timeout", "1s", "version").returncode == 0

    def _talk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._ctr), "-a", str(self.socket), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def uncordon(self) -> None:
        self._client.patch(self.path, {"spec": {"unschedulable": None}})


def evict(client: Client, pod: dict[str, Any]) -> None:
    """By the Eviction API; a Pod that is gone already is success."""
    metadata = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    try:
        client.create(path, body)
    except ApiError as error:
        if error.status != 404:
            raise


def is_ready(node: dict[str, Any] | None) -> bool:
    conditions = (node or {}).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
