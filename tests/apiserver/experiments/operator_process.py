"""The operator as a process, under the ServiceAccount and the rules that the chart ships."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.apiserver.cluster.control_plane import free_ports
from tests.apiserver.conftest import Namespace

RULES = Path(__file__).parents[3] / "helm" / "population-operator" / "files"
MASTER = bytes(range(64))
PROGRAM = (str(Path(sys.executable).with_name("population-operator")),)
RBAC = "rbac.authorization.k8s.io/v1"


def grant(namespace: Namespace) -> None:
    """A ServiceAccount `operator` with exactly the rights of the chart's two roles."""
    namespace.create("serviceaccounts", {"metadata": {"name": "operator"}})
    for name, file in (("operator", "rules.yaml"), ("operator-own", "own-rules.yaml")):
        rules = yaml.safe_load((RULES / file).read_text())
        namespace.create("roles", {"metadata": {"name": name}, "rules": rules}, RBAC)
        body = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [
                {"kind": "ServiceAccount", "name": "operator", "namespace": namespace.name}
            ],
        }
        namespace.create("rolebindings", body, RBAC)


@dataclass
class OperatorProcess:
    """One replica; `start` after `kill` is the same replica again, as a restarted container is.

    `program` takes the operator's flags; `env` is added to this process's environment.
    """

    namespace: Namespace
    folder: Path
    identity: str = "operator-0"
    program: tuple[str, ...] = PROGRAM
    env: Mapping[str, str] = field(default_factory=dict)
    starts: int = 0
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    kubeconfig: Path = field(init=False)

    def __post_init__(self) -> None:
        plane = self.namespace.cluster.control_plane
        self.kubeconfig = plane.service_account_kubeconfig(self.namespace.name, "operator")
        (self.folder / "master").write_bytes(MASTER)

    def start(self) -> OperatorProcess:
        self.starts += 1
        self.port = free_ports(1)[0]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.program,
                    f"--namespaces={self.namespace.name}",
                    f"--own-namespace={self.namespace.name}",
                    f"--identity={self.identity}",
                    f"--master-file={self.folder / 'master'}",
                    "--host=127.0.0.1",
                    f"--port={self.port}",
                    f"--kubeconfig={self.kubeconfig}",
                ],
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if k != "KUBECONFIG"} | dict(self.env),
            )
        return self

    @property
    def log(self) -> Path:
        return self.folder / f"{self.identity}.log"

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """As the kubelet does it."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def ready(self) -> bool:
        """What its readiness probe says."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
                return True
        except OSError:
            return False

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a condition of the real world, for a bounded time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
