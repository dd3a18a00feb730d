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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.36.3"
SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")

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
    if len(found) < len(SERVERS) + 2:
        return None
    apiserver, controller_manager, scheduler = (found[name] for name in SERVERS)
    return Binaries(apiserver, controller_manager, scheduler, found["etcd"], found["kubectl"])


def find_or_build(tell: Tell = print) -> Binaries:
    """Builds what is missing, six minutes on two cores, and says how far it is.

    Raises `BinariesMissing` where that is impossible.
    """
    found = find()
    if found is not None:
        return found
    from tests.apiserver.cluster import building

    cache().mkdir(parents=True, exist_ok=True)
    with _alone(tell):
        building.build(lambda: set(located()), cache(), tell)
    found = find()
    if found is None:
        raise BinariesMissing(f"{cache()}: something is missing there after the build")
    return found


def located() -> dict[str, Path]:
    """Each program that is there, by name."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folders = [Path(assets), cache()] if assets else [cache()]
    found: dict[str, Path] = {}
    for folder in folders:
        together = {name: folder / name for name in SERVERS if _runs(folder / name)}
        if len(together) == len(SERVERS) or folder == cache():
            found = together | found
        for name in ("etcd", "kubectl"):
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
