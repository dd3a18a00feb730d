"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback, in one folder."""

from __future__ import annotations

import http.client
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.apiserver.cluster import audit, credentials
from tests.apiserver.cluster.binaries import Binaries
from tests.apiserver.cluster.client import Client
from tests.apiserver.cluster.credentials import Credentials
from tests.apiserver.cluster.process import Server, ServerFailed

HOST = "127.0.0.1"
SERVICES = "10.96.0.0/16"


@dataclass(frozen=True)
class Pace:
    """How fast a lost node is noticed. Kubernetes' own defaults are 50 and 5 s."""

    node_grace: float = 10.0
    node_check: float = 1.0


class ControlPlane:
    """Everything lives in `folder`: logs, keys, data. `start`, then `client` is the admin's.

    The API server listens on `host`. Where that is not loopback, Pods reach it through the Service
    `kubernetes`, and it reaches the kubelets with its own certificate.
    """

    def __init__(
        self, binaries: Binaries, folder: Path, pace: Pace | None = None, host: str = HOST
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host = host
        self.port, etcd_port, peer_port, cm_port, scheduler_port = free_ports(5)
        self.credentials: Credentials = credentials.make(folder / "keys", host)
        self.audit = audit.AuditLog(folder / "audit.jsonl")
        self.client = self.client_for(self.credentials.tokens[credentials.ADMIN])
        self.kubeconfig = self._kubeconfig("admin", credentials.ADMIN)
        pace = pace or Pace()
        self.etcd = self._server(
            binaries.etcd,
            *("--name=test", f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync"),
            f"--listen-client-urls=http://{HOST}:{etcd_port}",
            f"--advertise-client-urls=http://{HOST}:{etcd_port}",
            f"--listen-peer-urls=http://{HOST}:{peer_port}",
            f"--initial-advertise-peer-urls=http://{HOST}:{peer_port}",
            f"--initial-cluster=test=http://{HOST}:{peer_port}",
            "--logger=zap",
            "--log-level=warn",
        )
        self._etcd_port = etcd_port
        self.apiserver = self._server(binaries.apiserver, *self._apiserver_flags())
        controllers = self._kubeconfig("controller-manager", credentials.CONTROLLERS)
        self.controller_manager = self._server(
            binaries.controller_manager,
            f"--kubeconfig={controllers}",
            f"--bind-address={HOST}",
            f"--secure-port={cm_port}",
            "--leader-elect=false",
            "--use-service-account-credentials=false",
            f"--service-account-private-key-file={self.credentials.service_account_key}",
            f"--root-ca-file={self.credentials.ca_file}",
            f"--node-monitor-period={pace.node_check:g}s",
            f"--node-monitor-grace-period={pace.node_grace:g}s",
            "--node-eviction-rate=10",
            "--pvclaimbinder-sync-period=2s",
            "--enable-hostpath-provisioner=true",
            "--concurrent-gc-syncs=5",
        )
        scheduler = self._kubeconfig("scheduler", credentials.SCHEDULER)
        self.scheduler = self._server(
            binaries.scheduler,
            f"--kubeconfig={scheduler}",
            f"--bind-address={HOST}",
            f"--secure-port={scheduler_port}",
            "--leader-elect=false",
        )

    @property
    def servers(self) -> tuple[Server, ...]:
        """In the order of their start."""
        return self.etcd, self.apiserver, self.controller_manager, self.scheduler

    def start(self) -> None:
        """Returns when the API server is ready and the controllers have made what a Pod needs."""
        try:
            self.etcd.start()
            self.etcd.wait_until(lambda: _healthy(self._etcd_port), 20)
            self.start_apiserver()
            self.controller_manager.start()
            self.scheduler.start()
            path = "/api/v1/namespaces/default/serviceaccounts/default"
            self.controller_manager.wait_until(lambda: self.client.find(path) is not None, 40)
        except BaseException:
            self.stop()
            raise

    def start_apiserver(self, seconds: float = 60) -> None:
        """Also after `apiserver.kill()`: the same port and data."""
        self.apiserver.start()
        self.apiserver.wait_until(self.ready, seconds)

    def stop_apiserver(self) -> None:
        """As a crash; nothing is lost, etcd goes on."""
        self.apiserver.kill()

    def ready(self) -> bool:
        try:
            self.client.get("/readyz")
        except Exception:
            return False
        return True

    def stop(self) -> None:
        """In reverse order. The data is thrown away, so nobody is waited for long."""
        self.scheduler.stop(2)
        self.controller_manager.stop(2)
        self.client.close()
        self.apiserver.resume()
        self.apiserver.kill()
        self.etcd.stop(2)

    def tails(self, lines: int = 20) -> str:
        return "\n".join(server.tail(lines) for server in self.servers)

    def client_for(self, token: str) -> Client:
        return Client(self.host, self.port, self.credentials.ca, token)

    def kubeconfig_for(self, name: str, token: str, namespace: str = "default") -> Path:
        """A kubeconfig in the cluster's folder for a token of any kind."""
        return credentials.kubeconfig(
            self.folder / f"{name}.kubeconfig",
            self.client.server,
            self.credentials.ca,
            token,
            namespace,
        )

    def service_account_token(self, namespace: str, name: str, seconds: int = 3600) -> str:
        """A token from the TokenRequest API; the ServiceAccount must exist."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        answer = self.client.create(path, {"spec": {"expirationSeconds": seconds}})
        return str(answer["status"]["token"])

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        token = self.service_account_token(namespace, name)
        return self.kubeconfig_for(f"{namespace}.{name}", token, namespace)

    def _kubeconfig(self, name: str, user: str) -> Path:
        return self.kubeconfig_for(name, self.credentials.tokens[user])

    def _server(self, binary: Path, *flags: str | Path) -> Server:
        return Server([binary, *flags], self.folder / f"{binary.name}.log")

    def _apiserver_flags(self) -> Sequence[str]:
        keys = self.credentials
        return (
            f"--etcd-servers=http://{HOST}:{self._etcd_port}",
            f"--bind-address={self.host}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={keys.tls_certificate}",
            f"--tls-private-key-file={keys.tls_key}",
            f"--token-auth-file={keys.token_file}",
            "--anonymous-auth=false",
            "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={SERVICES}",
            "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={keys.service_account_key}",
            f"--service-account-signing-key-file={keys.service_account_key}",
            *self._reachable_from_pods(),
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={audit.write_policy(self.folder / 'audit-policy.json')}",
            f"--audit-log-path={self.audit.path}",
            "--audit-log-format=json",
            "--audit-log-mode=blocking",
            "--enable-priority-and-fairness=true",
            "--watch-cache=true",
        )

    def _reachable_from_pods(self) -> Sequence[str]:
        if self.host == HOST:
            return f"--advertise-address={_outward()}", "--endpoint-reconciler-type=none"
        return (
            f"--advertise-address={self.host}",
            f"--kubelet-client-certificate={self.credentials.tls_certificate}",
            f"--kubelet-client-key={self.credentials.tls_key}",
        )


def free_ports(count: int) -> list[int]:
    """Free now, and outside the range the kernel hands out, so that a restart finds its port."""
    found: list[int] = []
    deadline = time.monotonic() + 5
    while len(found) < count:
        if time.monotonic() > deadline:
            raise ServerFailed("no free ports between 20000 and 32000 on 127.0.0.1")
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def _outward() -> str:
    """An address that is not loopback, as the flag demands; nobody ever connects to it."""
    return "192.0.2.1"


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health")
        return b"true" in connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
