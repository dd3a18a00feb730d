"""Images without a registry: a name stands for a command on this machine.

Tests write `cluster.images["worker:1"] = Image(("/venv/bin/python", "-m", "worker"))`; every node
reads the file anew for each container that starts. A name that is not there cannot be pulled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, MutableMapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """As in a Dockerfile. A Pod's `command` replaces the entrypoint, its `args` replace these.

    `visible` names host files and folders that stay visible where the Pod mounts a volume over
    them: a program under /tmp, when a Pod has an emptyDir there.
    """

    entrypoint: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    visible: tuple[str, ...] = ()
    pull_seconds: float = 0.0


class Images(MutableMapping[str, Image]):
    """The registry, as a file that every node reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _read(self) -> dict[str, Image]:
        if not self.path.exists():
            return {}
        return {
            name: Image(
                tuple(body["entrypoint"]),
                tuple(body["args"]),
                body["environment"],
                body["working_dir"],
                tuple(body["visible"]),
                body["pull_seconds"],
            )
            for name, body in json.loads(self.path.read_text()).items()
        }

    def _write(self, images: dict[str, Image]) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({name: asdict(one) for name, one in images.items()}))
        os.replace(fresh, self.path)

    def __getitem__(self, name: str) -> Image:
        return self._read()[name]

    def __setitem__(self, name: str, image: Image) -> None:
        self._write(self._read() | {name: image})

    def __delitem__(self, name: str) -> None:
        images = self._read()
        del images[name]
        self._write(images)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
