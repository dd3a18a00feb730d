"""One bridge in the machine's own network namespace, and a namespace for each node.

    bridge pop-e2e 10.231.0.1   the API server, Prometheus, the tests
    node N         10.231.0.1N  in namespace pop-node-N; its Pods are 10.232.N.0/24

Nothing is translated and nothing leaves the machine: no address here has a route to the outside.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "pop-e2e"
HOST = "10.231.0.1"
PODS = "10.232.0.0/16"


class NetworkError(Exception):
    """What `ip` said."""


@dataclass(frozen=True)
class NodeNetwork:
    """Where node `index` lives."""

    index: int

    @property
    def namespace(self) -> str:
        return f"pop-node-{self.index}"

    @property
    def interface(self) -> str:
        """The bridge's end of the node's cable."""
        return f"pop-veth-{self.index}"

    @property
    def address(self) -> str:
        return f"10.231.0.{10 + self.index}"

    @property
    def pods(self) -> str:
        return f"10.232.{self.index}.0/24"

    def inside(self, *command: str | Path) -> list[str]:
        """`command` run in the node's network; the mounts stay the machine's, cgroups included."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *(str(part) for part in command)]


def unplug(node: NodeNetwork) -> None:
    """As if its cable were pulled; its addresses and routes stay."""
    _ip("link", "set", node.interface, "down")


def plug_in(node: NodeNetwork) -> None:
    _ip("link", "set", node.interface, "up")


def create(nodes: list[NodeNetwork]) -> None:
    """Builds it all.

    Raises:
      NetworkError: `ip` refused.
    """
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    for node in nodes:
        _connect(node)
    for node in nodes:
        _ip("route", "add", node.pods, "via", node.address)
        for other in nodes:
            if other != node:
                _ip("-n", node.namespace, "route", "add", other.pods, "via", other.address)


def _connect(node: NodeNetwork) -> None:
    name = node.namespace
    _ip("netns", "add", name)
    _ip("link", "add", node.interface, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", node.interface, "master", BRIDGE)
    _ip("link", "set", node.interface, "up")
    _ip("-n", name, "addr", "add", f"{node.address}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "route", "add", "default", "via", HOST)
    subprocess.run(
        node.inside("sysctl", "-q", "-w", "net.ipv4.ip_forward=1"), check=True, capture_output=True
    )


def remove(nodes: list[NodeNetwork]) -> None:
    """Takes away whatever `create` made, also where only half of it is there."""
    for node in nodes:
        _ip("link", "del", node.interface, check=False)
        _ip("netns", "del", node.namespace, check=False)
    _ip("link", "del", BRIDGE, check=False)


def left(nodes: list[NodeNetwork]) -> list[str]:
    """What is there still, in words."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    names = [BRIDGE, *(node.interface for node in nodes)]
    found = [f"interface {name}" for name in names if f" {name}" in links]
    return found + [
        f"network namespace {node.namespace}"
        for node in nodes
        if Path(f"/run/netns/{node.namespace}").exists()
    ]


def _ip(*arguments: str, check: bool = True) -> None:
    program = shutil.which("ip") or "/usr/sbin/ip"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode and check:
        raise NetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
