"""Debian's packages that the cluster and its images need, installed where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from e2e.cluster.access import Tell

FOR_IMAGES = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""Each program, and the package that has it."""
FOR_NODES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "nft": "nftables",
    "conntrack": "conntrack",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "prometheus": "prometheus",
}


class CannotRun(Exception):
    """Why a cluster cannot be had here, and what to do."""


def find(program: str) -> Path:
    """Its path.

    Raises:
      CannotRun: it is not installed.
    """
    found = _which(program)
    if found is None:
        raise CannotRun(f"{program} is not installed")
    return Path(found)


def install(programs: Mapping[str, str], tell: Tell) -> None:
    """Installs the packages of those that are missing, where this is Debian and we are root.

    Raises:
      CannotRun: it is not, or apt failed.
    """
    missing = sorted({package for program, package in programs.items() if not _which(program)})
    if missing:
        _install(missing, tell)


def _install(missing: list[str], tell: Tell) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise CannotRun(f"install {', '.join(missing)} (the names of Debian's packages)")
    tell(f"Installing {', '.join(missing)}")
    # Packages start their services at once; only the programs are wanted.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", "-q", *command],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode:
            raise CannotRun(f"apt-get {' '.join(command)}: {done.stderr.strip()[-800:]}")


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
