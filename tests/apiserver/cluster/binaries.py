"""Where the cluster's programs are: KUBEBUILDER_ASSETS, a cache outside the checkout, or made.

    python -m tests.apiserver.cluster build

The three of Kubernetes are taken together or not at all from KUBEBUILDER_ASSETS, because a
controller manager must not be newer than its API server. etcd and kubectl are taken one by one:
from KUBEBUILDER_ASSETS, the cache, PATH (etcd only: a machine's kubectl may be a wrapper, or old).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.36.3"
SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = ("kubelet", "kube-proxy")

Tell = Callable[[str], None]


class BinariesMissing(Exception):
    """What is missing and cannot be made, and what to install."""


@dataclass(frozen=True)
class Binaries:
    apiserver: Path
    controller_manager: Path
    scheduler: Path
    etcd: Path
    kubectl: Path


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "population-operator" / f"kubernetes-{VERSION}"


def find() -> Binaries | None:
    """What is there already, or None where anything is missing."""
    found = located()
    if not {*SERVERS, "etcd", "kubectl"} <= set(found):
        return None
    apiserver, controller_manager, scheduler = (found[name] for name in SERVERS)
    return Binaries(apiserver, controller_manager, scheduler, found["etcd"], found["kubectl"])


def find_or_build(tell: Tell = print) -> Binaries:
    """Builds what is missing, six minutes on two cores, and says how far it is.

    Raises `BinariesMissing` where that is impossible.
    """
    _complete((*SERVERS, "etcd", "kubectl"), tell)
    found = find()
    if found is None:
        raise BinariesMissing(f"{cache()}: something is missing there after the build")
    return found


def find_or_build_node(tell: Tell = print) -> dict[str, Path]:
    """kubelet and kube-proxy by name, for a cluster of real nodes; half a minute more to build."""
    _complete(NODE, tell)
    found = located()
    if missing := [name for name in NODE if name not in found]:
        raise BinariesMissing(f"{cache()}: {', '.join(missing)} missing there after the build")
    return {name: found[name] for name in NODE}


def _complete(names: Sequence[str], tell: Tell) -> None:
    if set(names) <= set(located()):
        return
    from tests.apiserver.cluster import building

    cache().mkdir(parents=True, exist_ok=True)
    with _alone(tell):
        building.build(names, lambda: set(located()), cache(), tell)


def located() -> dict[str, Path]:
    """Each program that is there, by name."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folders = [Path(assets), cache()] if assets else [cache()]
    found: dict[str, Path] = {}
    for folder in folders:
        together = {name: folder / name for name in SERVERS if _runs(folder / name)}
        if len(together) == len(SERVERS) or folder == cache():
            found = together | found
        for name in ("etcd", "kubectl", *NODE):
            if name not in found and _runs(folder / name):
                found[name] = folder / name
    if "etcd" not in found and (etcd := shutil.which("etcd")):
        found["etcd"] = Path(etcd)
    return found


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@contextmanager
def _alone(tell: Tell) -> Iterator[None]:
    """One builder at a time; the kernel drops the lock of one that died."""
    with (cache() / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another build fills {cache()}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
