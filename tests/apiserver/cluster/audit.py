"""The API server's audit log: which requests were made, by whom. Tests count calls with it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Request:
    user: str
    agent: str
    verb: str
    resource: str  # "pods", "pods/status"
    namespace: str
    name: str
    code: int

    @property
    def writes(self) -> bool:
        return self.verb in WRITES


def write_policy(path: Path) -> Path:
    """Every finished request of everybody but the cluster's own servers and node agents."""
    ours = ["test-controller-manager", "test-scheduler", "test-node-agent", "system:apiserver"]
    body = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "None", "users": ours},
            {"level": "None", "nonResourceURLs": ["*"]},
            {"level": "Metadata"},
        ],
    }
    path.write_text(json.dumps(body))
    return path


class AuditLog:
    """`mark = log.mark()`, then `log.since(mark, user=…)`. A watch is logged when it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int, user: str = "", namespace: str = "") -> list[Request]:
        """Requests of users whose name ends with `user`; empty arguments take all."""
        return [
            one
            for one in self._read(mark)
            if one.user.endswith(user) and (not namespace or one.namespace == namespace)
        ]

    def during(self, seconds: float, user: str = "", namespace: str = "") -> list[Request]:
        mark = self.mark()
        time.sleep(seconds)
        return self.since(mark, user, namespace)

    def _read(self, mark: int) -> Iterator[Request]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(mark)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield _request(json.loads(line))


def _request(event: dict[str, object]) -> Request:
    target = event.get("objectRef")
    target = target if isinstance(target, dict) else {}
    user = event.get("user")
    status = event.get("responseStatus")
    subresource = target.get("subresource")
    return Request(
        user=str(user.get("username", "")) if isinstance(user, dict) else "",
        agent=str(event.get("userAgent", "")),
        verb=str(event.get("verb", "")),
        resource=target.get("resource", "") + (f"/{subresource}" if subresource else ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=int(status.get("code", 0)) if isinstance(status, dict) else 0,
    )
