"""Starts one container's process; runs as a program of its own: `launch.py SPEC.json REPORT_FD`.

Standard library only, so that it starts in 20 ms. Where the kernel allows it (root, or unprivileged
user namespaces) the process gets mount and PID namespaces of its own and a root of its own: a tmpfs
into which this machine's root is bound entry by entry, with the Pod's volumes over it. So every
mount path is real, /dev/shm has 64 MiB, the process is PID 1, and all its children end with it.

The report: `pid N`, then end of file once the program runs, or `error …` where it cannot.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUSER, NEWPID = 0x20000, 0x10000000, 0x20000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


def checked(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    encoded = [None if one is None else one.encode() for one in (source, target, kind)]
    done = _libc.mount(*encoded, ctypes.c_ulong(flags), data.encode() or None)
    checked(done, f"mount {source} on {target}")


def unshare(flags: int) -> None:
    checked(_libc.unshare(flags), "unshare")


def end_with_parent(parent: int) -> None:
    _libc.prctl(1, signal.SIGKILL)
    if parent and os.getppid() != parent:
        os._exit(137)


class Root:
    """A root folder on a tmpfs at `path`, into which volumes are mounted."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._own = set[str]()  # folders on tmpfs mounts of ours: more can be made in them
        self._volumes: list[str] = []
        mount("tmpfs", path, "tmpfs", NOSUID, "mode=755")
        self._fill(path, "/", {"dev", "proc"})
        for name in ("dev", "proc"):
            os.mkdir(f"{path}/{name}")

    def _fill(self, target: str, host: str, skipped: set[str]) -> None:
        self._own.add(target)
        for entry in os.scandir(host):
            to = f"{target}/{entry.name}"
            if entry.name in skipped:
                continue
            try:
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), to)
                elif entry.is_dir():
                    os.mkdir(to)
                    self._bind_entry(entry.path, to)
                else:
                    os.close(os.open(to, os.O_CREAT | os.O_WRONLY, 0o644))
                    mount(entry.path, to, None, BIND)
            except FileNotFoundError:  # gone since the listing
                continue

    def _bind_entry(self, host: str, to: str) -> None:
        """Bound with all that is mounted below; but not with this very root, over and over."""
        if not (self.path + "/").startswith(host.rstrip("/") + "/"):
            mount(host, to, None, BIND | REC)
            return
        try:
            mount(host, to, None, BIND)
        except OSError:  # a user namespace may not uncover what is mounted below
            mount(host, to, None, BIND | REC)

    def fill_dev(self) -> None:
        dev = f"{self.path}/dev"
        mount("tmpfs", dev, "tmpfs", NOSUID, "mode=755,size=65536k")
        self._own.add(dev)
        for name in DEVICES:
            os.close(os.open(f"{dev}/{name}", os.O_CREAT, 0o666))
            mount(f"/dev/{name}", f"{dev}/{name}", None, BIND)
        for name, to in LINKS.items():
            os.symlink(to, f"{dev}/{name}")
        os.mkdir(f"{dev}/shm")
        mount("shm", f"{dev}/shm", "tmpfs", NOSUID | NODEV | NOEXEC, "mode=1777,size=65536k")

    def fill_proc(self) -> None:
        try:
            mount("proc", f"{self.path}/proc", "proc", NOSUID | NODEV | NOEXEC)
        except OSError:  # inside another container, whose /proc is covered in parts
            mount("/proc", f"{self.path}/proc", None, BIND | REC)

    def volume(self, source: str, target: str, readonly: bool) -> None:
        place = self._place(os.path.realpath(target), os.path.isdir(source))
        mount(source, place, None, BIND | REC)
        self._volumes.append(place + "/")
        if readonly:
            kept = os.statvfs(place).f_flag & (NOSUID | NODEV | NOEXEC)
            mount(None, place, None, REMOUNT | BIND | RDONLY | kept)

    def folder(self, target: str) -> None:
        self._place(os.path.realpath(target), True)

    def _place(self, target: str, folder: bool) -> str:
        """The path below this root, made where it is missing."""
        current = self.path
        names = target.strip("/").split("/")
        for index, name in enumerate(names):
            following = f"{current}/{name}"
            if not os.path.lexists(following):
                if current not in self._own and not self._in_volume(current):
                    self._explode(current)
                if folder or index < len(names) - 1:
                    os.mkdir(following)
                else:
                    os.close(os.open(following, os.O_CREAT, 0o644))
                if not self._in_volume(current):
                    self._own.add(following)
            current = following
        return current

    def _in_volume(self, path: str) -> bool:
        return any((path + "/").startswith(volume) for volume in self._volumes)

    def _explode(self, place: str) -> None:
        """The host's folder, entry by entry on a tmpfs: so that more fits without touching it."""
        host = place[len(self.path) :] or "/"
        mount("tmpfs", place, "tmpfs", NOSUID, f"mode={os.stat(host).st_mode & 0o7777:o}")
        self._fill(place, host, set())


def isolate(spec: dict[str, Any]) -> None:
    """Namespaces for the child that is forked next."""
    uid, gid = os.getuid(), os.getgid()
    if spec["isolation"] == "user":
        unshare(NEWUSER | NEWNS | NEWPID)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    else:
        unshare(NEWNS | NEWPID)


def enter_root(spec: dict[str, Any]) -> None:
    mount(None, "/", None, REC | PRIVATE)
    root = Root(spec["root"])
    root.fill_dev()
    for one in spec["mounts"]:
        root.volume(one["source"], one["target"], one["readonly"])
    root.folder(spec["cwd"])
    root.fill_proc()
    os.chroot(root.path)


def join(pid: int, isolation: str) -> None:
    """Into the namespaces and the root of a running container, for the child forked next."""
    kinds = ("user", "mnt", "pid") if isolation == "user" else ("mnt", "pid")
    descriptors = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY)
    for descriptor in descriptors:
        checked(_libc.setns(descriptor, 0), "setns")
    os.fchdir(root)
    os.chroot(".")


def execute(spec: dict[str, Any], report: int) -> None:
    try:
        os.chdir(spec["cwd"])
        for number in range(1, signal.NSIG):
            if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except OSError as error:
        os.write(report, f'error exec: "{spec["argv"][0]}": {error.strerror}\n'.encode())
        os._exit(128)


def main() -> None:
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    report = int(sys.argv[2])
    os.set_inheritable(report, False)
    end_with_parent(spec["parent"])
    if spec["isolation"] == "none":
        os.write(report, f"pid {os.getpid()}\n".encode())
        execute(spec, report)
    try:
        if spec.get("join"):
            join(spec["join"], spec["isolation"])
        else:
            isolate(spec)
        child = os.fork()
        if child == 0:
            end_with_parent(0)
            if not spec.get("join"):
                enter_root(spec)
            execute(spec, report)
    except OSError as error:
        os.write(report, f"error {error}\n".encode())
        os._exit(128)
    os.write(report, f"pid {child}\n".encode())
    os.close(report)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
