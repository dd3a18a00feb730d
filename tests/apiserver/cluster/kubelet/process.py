"""A container's process: started through `launch.py`, signalled, waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.apiserver.cluster.kubelet.environment import rewritten
from tests.apiserver.cluster.kubelet.volumes import Mount

LAUNCH = Path(__file__).with_name("launch.py")


class StartError(Exception):
    """The program cannot be executed."""


@dataclass(frozen=True)
class Command:
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    mounts: Sequence[Mount]


def isolation() -> str:
    """What this machine allows: "root", "user" (unprivileged namespaces) or "none".

    With "none" nothing can be mounted: mount paths in arguments and variables are rewritten to the
    folders behind them, and a container's stray children are killed by process group.
    """
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("root", "user"):
            if kind == "root" and os.geteuid() != 0:
                continue
            spec = Path(folder) / "spec.json"
            spec.write_text(
                json.dumps(_spec(Command(["true"], {"PATH": os.defpath}, "/", []), kind, folder))
            )
            command = [sys.executable, "-I", "-S", str(LAUNCH), str(spec), "2"]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 0:
                return kind
    return "none"


class Process:
    """One run of one container."""

    def __init__(self, child: asyncio.subprocess.Process, pid: int, kind: str) -> None:
        self.pid = pid
        self._child = child
        self._kind = kind
        self._ended = asyncio.get_running_loop().create_task(self._wait())

    @classmethod
    async def start(cls, command: Command, kind: str, folder: Path, log: Path) -> Process:
        """Raises `StartError`; `folder` is this container's own."""
        root = folder / "root"
        root.mkdir(parents=True, exist_ok=True)
        spec = folder / "spec.json"
        spec.write_text(json.dumps(_spec(command, kind, str(root))))
        child, answer = await _launch(spec, log)
        lines = dict(line.split(" ", 1) for line in answer.splitlines())
        if "error" in lines or "pid" not in lines:
            await child.wait()
            raise StartError(lines.get("error", "the launcher ended at its start"))
        return cls(child, int(lines["pid"]), kind)

    async def _wait(self) -> int:
        code = await self._child.wait()
        if self._kind == "none":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)
        return code if code >= 0 else 128 - code

    @property
    def running(self) -> bool:
        return not self._ended.done()

    async def wait(self) -> int:
        """The exit code; 128 + n after signal n."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """To the main process. As PID 1 it ignores what it has no handler for, but SIGKILL."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def execute(
        self, argv: Sequence[str], command: Command, folder: Path, seconds: float
    ) -> tuple[bool, str]:
        """Runs a command inside the container: whether it exited 0, and what it wrote."""
        inner = Command(argv, command.env, command.cwd, command.mounts)
        body = _spec(inner, self._kind, "")
        if self._kind != "none":
            body["join"] = self.pid
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".json") as spec:
            spec.write(json.dumps(body))
            spec.flush()
            log = Path(spec.name).with_suffix(".out")
            child, answer = await _launch(Path(spec.name), log)
            try:
                code = await asyncio.wait_for(child.wait(), seconds)
            except TimeoutError:
                inside = dict(line.split(" ", 1) for line in answer.splitlines()).get("pid")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(inside) if inside else child.pid, signal.SIGKILL)
                await child.wait()
                return False, f"command timed out after {seconds:g} s"
            finally:
                output = log.read_text(errors="replace")[-1000:]
                log.unlink()
            return code == 0, output or answer


async def _launch(spec: Path, log: Path) -> tuple[asyncio.subprocess.Process, str]:
    receive, send = os.pipe()
    try:
        with log.open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LAUNCH), str(spec), str(send)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(send,),
                start_new_session=True,
                env={},
            )
    except BaseException:
        os.close(receive)
        raise
    finally:
        os.close(send)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(receive, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return child, (await reader.read()).decode(errors="replace")
    finally:
        transport.close()


def _spec(command: Command, kind: str, root: str) -> dict[str, object]:
    body: dict[str, object] = {
        "isolation": kind,
        "parent": os.getpid(),
        "root": root,
        "argv": list(command.argv),
        "env": dict(command.env),
        "cwd": command.cwd,
        "mounts": [asdict(one) for one in command.mounts],
    }
    if kind == "none":
        paths = {one.target: one.source for one in command.mounts}
        body["argv"] = [rewritten(word, paths) for word in command.argv]
        body["env"] = {name: rewritten(one, paths) for name, one in command.env.items()}
        body["cwd"] = rewritten(command.cwd, paths)
    return body
