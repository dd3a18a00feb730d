"""Leaves nothing behind: processes, mounts, cgroups and interfaces of a cluster, dead or alive."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from e2e.cluster import cgroups, network
from e2e.cluster.network import NodeNetwork

MEMORY = "8g"
"""The most that a cluster's folder may take; images and containers' layers are most of it."""


def prepare(folder: Path) -> None:
    """An empty folder in memory: thousands of small files are slow to make and slower to delete."""
    folder.mkdir(parents=True)
    options = f"size={MEMORY},mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "population-e2e", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def sweep(folder: Path, nodes: list[NodeNetwork], keep_logs: Path | None = None) -> None:
    """Ends what runs in `folder` or in the nodes' cgroups, unmounts, deletes."""
    for node in nodes:
        cgroups.kill(node.index)
    _end(folder)
    # Logs lie on the folder's own mount; volumes of Pods below it are not searched for them.
    _unmount(point for point in mounts(folder) if point != str(folder))
    if keep_logs is not None:
        _copy_logs(folder, keep_logs)
    _unmount(mounts(folder))
    shutil.rmtree(folder, ignore_errors=True)
    for node in nodes:
        cgroups.remove(node.index)
    network.remove(nodes)


def left(folder: Path, nodes: list[NodeNetwork]) -> list[str]:
    """What is there still, in words; empty after a good `sweep`."""
    found = [f"process {pid}" for pid in _ours(folder)]
    found += [f"mount {point}" for point in mounts(folder)]
    for node in nodes:
        found += cgroups.left(node.index)
    found += network.left(nodes)
    return found + ([f"folder {folder}"] if folder.exists() else [])


def mounts(folder: Path) -> list[str]:
    """Mount points below the folder, inner ones first."""
    table = Path("/proc/self/mountinfo").read_text()
    points = [line.split()[4].replace("\\040", " ") for line in table.splitlines()]
    return [one for one in reversed(points) if Path(one).is_relative_to(folder)]


def _unmount(points: Iterable[str]) -> None:
    for point in points:
        subprocess.run(["umount", "-l", point], capture_output=True, check=False)


def _ours(folder: Path) -> Iterator[int]:
    """Processes started with a path below the folder: the servers, and each container's shim."""
    marker = os.fsencode(folder) + b"/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if marker in command:
            yield int(entry.name)


def _end(folder: Path, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while (pids := list(_ours(folder))) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def _copy_logs(folder: Path, target: Path) -> None:
    for path in folder.rglob("*.log"):
        if path.is_file():
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
