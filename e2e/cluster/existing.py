"""The cluster that KUBECONFIG points to: E2E_CLUSTER=existing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tests.apiserver.cluster import binaries
from tests.apiserver.cluster.client import Client

from e2e.cluster import settings
from e2e.cluster.access import Access
from e2e.cluster.packages import CannotRun

_KIND = (
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    "/populationexperiments.population-operator.io"
)


class Existing(Access):
    """`with Existing() as cluster:`; whatever the kubeconfig's user may do, by `kubectl proxy`."""

    def __init__(self) -> None:
        found = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        self._kubeconfig = Path(found)
        if not self._kubeconfig.is_file():
            raise CannotRun(f"E2E_CLUSTER=existing: {found} is no file: set KUBECONFIG")
        program = shutil.which("kubectl") or binaries.located().get("kubectl")
        if program is None:
            raise CannotRun("E2E_CLUSTER=existing: kubectl is not installed")
        self._program = Path(program)

    @property
    def kubeconfig(self) -> Path:
        return self._kubeconfig

    @property
    def program(self) -> Path:
        return self._program

    def claim(self, namespace: str, name: str, folder: Path) -> None:
        """From the chosen storage class; `folder` is not used."""
        spec: dict[str, object] = {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
        if chosen := settings.storage_class():
            spec |= {"storageClassName": chosen}
        body = {"metadata": {"name": name}, "spec": spec}
        self.client.create(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", body)

    def forget(self, namespace: str) -> None:
        """Its class does."""

    def __enter__(self) -> Existing:
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(
                prefix="population-e2e-", ignore_cleanup_errors=True
            )
            self.folder = Path(stack.enter_context(folder))
            self.client = self._connected(stack)
            if self.client.find(_KIND):
                raise CannotRun(
                    "E2E_CLUSTER=existing: population-operator.io is installed there, and the suite"
                    " would remove it with all experiments: take a cluster without it"
                )
            self._stack = stack.pop_all()
        return self

    def _connected(self, stack: ExitStack) -> Client:
        """By a proxy that runs until the stack is closed."""
        command = [str(self._program), f"--kubeconfig={self._kubeconfig}", "proxy", "--port=0"]
        proxy = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(proxy.terminate)
        assert proxy.stdout is not None
        said = proxy.stdout.readline()
        place = re.search(r"([\d.]+):(\d+)\s*$", said)
        if place is None:
            raise CannotRun(f"kubectl proxy does not serve {self._kubeconfig}: {said.strip()}")
        return Client(place[1], int(place[2]), ca="", token="")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
