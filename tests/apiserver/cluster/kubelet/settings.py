"""What a node agent is told at its start, as a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    node: str
    server: str
    ca_file: str
    token: str
    folder: str  # Pods' volumes and logs
    memory: str  # where `emptyDir: {medium: Memory}` lives
    socket: str  # the tests' control socket; a path of at most 107 bytes
    images: str  # the registry's file
    network: int  # of 127.x.0.0/16, the cluster's
    index: int  # the node has 127.network.(32 index).1; its Pods, 32 networks of /24 from there on
    tls_certificate: str = ""  # of the port for `kubectl logs`
    tls_key: str = ""
    version: str = "v0"
    capacity: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    isolation: str = ""  # "root", "user", "none"; empty: the best that works here
    lease_seconds: float = 1.0
    back_off: float = 1.0  # of a crashing container; doubles up to 32 times this. A kubelet's: 10 s
    retry: float = 1.0  # the first wait for a missing Secret, claim or image; doubles to 8 times

    @property
    def host_ip(self) -> str:
        return f"127.{self.network}.{32 * self.index}.1"

    def pod_ip(self, number: int) -> str:
        """The same for `number` and `number` + 8000."""
        high, low = divmod(number % 8000, 250)
        return f"127.{self.network}.{32 * self.index + high}.{low + 2}"

    def write(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))


def read(path: Path) -> Settings:
    return Settings(**json.loads(path.read_text()))
