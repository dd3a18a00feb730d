"""What the benchmarks on a real API server share: a cluster, a namespace, an operator.

etcd, kube-apiserver, controllers and scheduler run on this machine; Pods are processes of it. The
operator is a process of its own, under the ServiceAccount and the Role that the chart ships. etcd
does not fsync here: on a real cluster a write costs its disk's latency on top.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tests.apiserver.cluster import Cluster, Image, binaries
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.operator_process import PROGRAM, OperatorProcess, grant

ROOT = Path(__file__).resolve().parents[1]
CLAIM = "shared"


@dataclass(frozen=True)
class Site:
    """A namespace with an operator. `volume` is the folder behind the claim `shared`."""

    namespace: Namespace
    volume: Path
    operator: OperatorProcess


@contextmanager
def site(
    console: Console,
    place: Path,
    gpus: int,
    program: tuple[str, ...] = PROGRAM,
    env: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """A cluster of one node with `gpus` GPUs in a temporary folder under `place`; all of it ends.

    Raises:
      BinariesMissing: Kubernetes' programs can neither be found nor built.
    """
    found = binaries.find_or_build(lambda line: console.print(line, style="dim"))
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="apiserver-", dir=place.resolve()) as temporary:
        folder = Path(temporary)
        with Cluster(found, folder / "cluster", nodes=1, gpus=gpus) as cluster:
            cluster.images["python"] = Image((sys.executable,), visible=(str(ROOT), sys.prefix))
            cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
            cluster.kubectl("wait", "--for=condition=Established", "-f", str(ROOT / "crds"))
            namespace = _namespace(cluster)
            volume = namespace.shared(folder / "volume", CLAIM)
            grant(namespace)
            operator = OperatorProcess(namespace, folder, program=program, env=env or {}).start()
            try:
                yield Site(namespace, volume, operator)
            finally:
                operator.stop()


def _namespace(cluster: Cluster) -> Namespace:
    name = "benchmark"
    cluster.client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    cluster.client.wait(account, lambda found: bool(found))
    return Namespace(name, cluster)


def load() -> str:
    """The machine's load averages, for who reads timings."""
    one, five, _ = os.getloadavg()
    return f"load {one:.1f} over a minute, {five:.1f} over five, on {os.cpu_count()} cores"
