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
    addresses: str  # "127.77.0.": Pods get 127.77.0.2 and on; the node itself is .1
    version: str = "v0"
    capacity: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    lease_seconds: float = 1.0
    back_off: float = 1.0  # of a crashing container; doubles up to 32 times this. A kubelet's: 10 s
    mount_retry: float = 1.0  # the first wait for a missing Secret, claim or image; doubles to 8 s

    def write(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))


def read(path: Path) -> Settings:
    return Settings(**json.loads(path.read_text()))
