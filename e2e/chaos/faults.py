"""What breaks on a cluster of GPU machines, done to ours."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.apiserver.experiments.operator_process import until

from e2e.cluster import Cluster, cgroups, network
from e2e.cluster.node import Node, is_ready

Object = dict[str, Any]
TABLE = "population_cut"
BALLAST = "ballast"


def node_of(cluster: Cluster, pod: Object) -> Node:
    return cluster.nodes[pod["spec"]["nodeName"]]


def kill_container(cluster: Cluster, pod: Object) -> None:
    """SIGKILL to all processes of the Pod's first container, as the kernel sends it."""
    container = pod["status"]["containerStatuses"][0]["containerID"].split("//")[-1]
    pids = cgroups.processes(node_of(cluster, pod).network.index, container)
    if not pids:
        raise LookupError(f"no process in the cgroup of container {container}")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def cut(cluster: Cluster, one: Object, other: Object) -> Iterator[None]:
    """Between two Pods on different nodes no packet passes: connections hang, nobody is told.

    Rules in the network namespace of the second Pod's node.
    """
    there = node_of(cluster, other)
    if node_of(cluster, one) is there:
        raise ValueError("both Pods are on the same node: its bridge asks no rule of the router")
    first, second = (pod["status"]["podIP"] for pod in (one, other))
    rules = f"""table inet {TABLE} {{
      chain forward {{
        type filter hook forward priority -300;
        ip saddr {first} ip daddr {second} drop
        ip saddr {second} ip daddr {first} drop
      }}
    }}"""
    _nft(there, "-f", "-", stdin=rules)
    try:
        yield
    finally:
        _nft(there, "delete", "table", "inet", TABLE)


def _nft(node: Node, *arguments: str, stdin: str = "") -> None:
    command = node.network.inside("nft", *arguments)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"nft {' '.join(arguments)}: {done.stderr.strip()}")


def lose(node: Node) -> None:
    """As if its power failed: no process is left, and no packet is answered."""
    network.unplug(node.network)
    node.lose()


def bring_back(node: Node) -> None:
    """The machine starts again; what its kubelet finds of old Pods, it cleans up itself."""
    network.plug_in(node.network)
    node.start()
    node.join()
    node.wait_until_ready()


def restart_etcd(cluster: Cluster) -> None:
    """A crash; its data stays."""
    plane = cluster.control_plane
    plane.etcd.kill()
    plane.etcd.start()
    plane.apiserver.wait_until(plane.ready, 60)


@contextmanager
def small_volume(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size on `folder`."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0777", "tmpfs", str(folder)],
        check=True,
        capture_output=True,
    )
    try:
        yield folder
    finally:
        # Containers that end a moment later hold it no longer than they live.
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def fill(folder: Path) -> None:
    """Takes all the room that is left, again and again if asked; `free` gives it back."""
    with (folder / BALLAST).open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def free(folder: Path) -> None:
    (folder / BALLAST).unlink()


def wait_for_node(cluster: Cluster, node: Node, ready: bool, seconds: float = 60) -> None:
    """Until Kubernetes sees it as it is."""
    until(
        lambda: is_ready(cluster.client.find(node.path)) is ready,
        f"{node.name} is {'ready' if ready else 'not ready'}",
        seconds,
    )
