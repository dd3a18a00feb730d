"""Each node's own cgroup, in every hierarchy of cgroup v1, or the one of v2."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def name(index: int) -> str:
    return f"pop-node-{index}"


def is_v2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    if is_v2():
        return [ROOT]
    return sorted({one.resolve() for one in ROOT.iterdir() if one.is_dir()})


def create(index: int) -> None:
    for hierarchy in hierarchies():
        group = hierarchy / name(index)
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # A new cpuset of v1 is empty, and nothing can run in it.
            if not is_v2() and (hierarchy / setting).exists():
                (group / setting).write_text((hierarchy / setting).read_text())
    if is_v2():
        _delegate(ROOT)
        _delegate(ROOT / name(index))


def _delegate(group: Path) -> None:
    wanted = ("cpuset", "cpu", "memory", "pids", "io", "hugetlb")
    there = (group / "cgroup.controllers").read_text().split()
    for controller in (one for one in wanted if one in there):
        (group / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(index: int, container: str = "") -> set[int]:
    """All in the node's cgroups, or only those of one container, by its id."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        for group in _below(hierarchy / name(index)):
            if container and group.name != container:
                continue
            try:
                found |= {int(line) for line in (group / "cgroup.procs").read_text().split()}
            except OSError:
                continue
    return found - {os.getpid(), 0}


def kill(index: int, seconds: float = 10.0) -> None:
    """SIGKILL to every process, until there is none; what is frozen is thawed."""
    deadline = time.monotonic() + seconds
    while (pids := processes(index)) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def remove(index: int) -> None:
    for hierarchy in hierarchies():
        for group in reversed(list(_below(hierarchy / name(index)))):
            try:
                group.rmdir()
            except OSError:
                continue


def left(index: int) -> list[str]:
    return [f"cgroup {h / name(index)}" for h in hierarchies() if (h / name(index)).exists()]


def _below(group: Path) -> Iterator[Path]:
    """The group, then those inside it, outer before inner."""
    if not group.is_dir():
        return
    yield group
    try:
        inner = [one for one in group.iterdir() if one.is_dir()]
    except OSError:
        return
    for one in inner:
        yield from _below(one)
