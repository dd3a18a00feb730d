"""What the suite needs of any cluster: its API, kubectl, and shared volumes."""

from __future__ import annotations

import json
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.apiserver.cluster import kubectl
from tests.apiserver.cluster.client import Client
from tests.apiserver.cluster.kubectl import KubectlFailed

Tell = Callable[[str], None]
WORKERS = "app.kubernetes.io/managed-by=population-operator"


class Access(ABC):
    """The admin's.

    Attributes:
      client: the API.
      folder: where the suite writes; gone when it ends.
    """

    client: Client
    folder: Path

    @property
    @abstractmethod
    def kubeconfig(self) -> Path: ...

    @property
    @abstractmethod
    def program(self) -> Path:
        """kubectl."""

    @abstractmethod
    def claim(self, namespace: str, name: str, folder: Path) -> None:
        """A ReadWriteMany claim; on `folder`, where the nodes are this machine."""

    @abstractmethod
    def forget(self, namespace: str) -> None:
        """Lets go of volumes that outlive their claims."""

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> str:
        """kubectl's output; raises `KubectlFailed` with its words."""
        where = (self.program, self.kubeconfig)
        return kubectl.run(*where, *arguments, stdin=stdin, seconds=seconds)

    def kubectl_json(self, *arguments: str) -> Any:
        return json.loads(self.kubectl(*arguments, "-o", "json"))

    def attempt(self, *arguments: str) -> str:
        """kubectl's output, or its complaint."""
        try:
            return self.kubectl(*arguments)
        except (KubectlFailed, subprocess.TimeoutExpired) as error:
            return str(error)

    def describe(self, namespace: str) -> str:
        """For the report of a test that failed."""
        scope = ("--namespace", namespace)
        return "\n".join(
            self.attempt(*arguments)
            for arguments in (
                ("get", "nodes"),
                (*scope, "get", "pexp,pmem,pods", "-o", "wide"),
                (*scope, "describe", "pexp"),
                (*scope, "get", "events", "--sort-by=.lastTimestamp"),
                (*scope, "logs", "--prefix", "--tail=15", "-l", WORKERS),
            )
        )

    def environment(self) -> dict[str, str]:
        """For helm and people."""
        path = f"{self.program.parent}:{os.environ.get('PATH', '')}"
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "PATH": path}
