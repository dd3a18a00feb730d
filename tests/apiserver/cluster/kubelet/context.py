"""What a node's Pods share."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.apiserver.cluster.images import Image, Images
from tests.apiserver.cluster.kubelet.api import Api
from tests.apiserver.cluster.kubelet.events import Recorder
from tests.apiserver.cluster.kubelet.settings import Settings


def _numbers() -> Iterator[int]:
    """From a random place on: an agent that starts again reuses no address soon."""
    return itertools.count(random.randrange(8000))


@dataclass
class Context:
    settings: Settings
    api: Api
    events: Recorder
    isolation: str
    _numbers: Iterator[int] = field(default_factory=_numbers)

    def address(self) -> str:
        """A loopback address that no other Pod has."""
        return self.settings.pod_ip(next(self._numbers))

    def image(self, name: str) -> Image | None:
        try:
            return Images(Path(self.settings.images)).get(name)
        except json.JSONDecodeError:
            return None
