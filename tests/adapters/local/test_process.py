"""A worker's process: it ends with its parent, with its children, and says why it ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from population_operator.adapters.local import process as module
from population_operator.adapters.local.process import explain, last_line, spawn, stop
from tests.conformance.loop import in_a_loop, until

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


async def start(tmp_path: Path, script: str) -> tuple[asyncio.subprocess.Process, Path]:
    log = tmp_path / "log"
    process = await spawn(["sh", "-c", script], {"PATH": os.environ["PATH"]}, tmp_path, log)

    async def said() -> bool:
        return b"ready" in log.read_bytes()

    await until(said, "it runs", seconds=10)
    return process, log


@in_a_loop
async def test_output_folder_and_environment(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    env = {"PATH": os.environ["PATH"], "NAME": "w0"}
    process = await spawn(["sh", "-c", "pwd; echo $NAME; echo bad >&2"], env, tmp_path, log)
    assert await process.wait() == 0
    assert log.read_text() == f"before\n{tmp_path}\nw0\nbad\n"


@in_a_loop
async def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await spawn(["no-such-program"], {"PATH": ""}, tmp_path, tmp_path / "log")
    with pytest.raises(FileNotFoundError):
        await spawn(["true"], dict(os.environ), tmp_path / "nowhere", tmp_path / "log")


@in_a_loop
async def test_one_that_listens_is_asked(tmp_path: Path) -> None:
    process, log = await start(
        tmp_path, "trap 'echo bye; exit 0' TERM; echo ready; sleep 60 & wait"
    )
    await stop(process)
    assert process.returncode == 0
    assert last_line(log) == "bye"


@in_a_loop
async def test_one_that_does_not_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    process, _ = await start(tmp_path, STUBBORN)
    await stop(process)
    assert process.returncode == -signal.SIGKILL
    await stop(process)


@in_a_loop
async def test_its_children_end_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data loaders, and programs behind a shell."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    process, _ = await start(tmp_path, f"sh -c \"trap '' TERM; sleep 60\" & {STUBBORN}")
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    await stop(process)

    async def ended() -> bool:
        return not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)

    await until(ended, "the children end", seconds=5)


@in_a_loop
async def test_children_that_outlive_their_parent_are_ended_too(tmp_path: Path) -> None:
    process, _ = await start(tmp_path, "sleep 60 & echo ready")
    await process.wait()
    group = [p for p in psutil.process_iter() if _group(p) == process.pid]
    assert group
    await stop(process)

    async def ended() -> bool:
        return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in group)

    await until(ended, "the orphans end", seconds=5)


def _group(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return -1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path, number: int) -> None:
    code = (
        "import asyncio, os, pathlib, sys\n"
        "from population_operator.adapters.local.process import spawn\n"
        "async def main():\n"
        "    here = pathlib.Path(sys.argv[1])\n"
        "    it = await spawn(['sleep', '60'], dict(os.environ), here, here / 'log')\n"
        "    print(it.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.send_signal(number)
        parent.wait(10)
        _, alive = psutil.wait_procs([child], timeout=5)
        assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def test_one_whose_parent_was_gone_before_it_could_ask_does_not_begin(tmp_path: Path) -> None:
    """The kernel tells of a parent's end only from the moment on when it is asked to."""
    code = (
        "import functools, subprocess, sys\n"
        "from population_operator.adapters.local.process import _end_with\n"
        "another = functools.partial(_end_with, 1)\n"
        "print(subprocess.call(['echo', 'begun'], preexec_fn=another))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "1\n", done


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (3, "one\ntwo\n\n", "ended with exit code 3; it said: two; see {log}"),
        (0, "", "ended with exit code 0; see {log}"),
        (-9, "x", "killed by SIGKILL; it said: x; see {log}"),
        (-64, "x", "killed by SIGRTMAX; it said: x; see {log}"),
        (-35, "x", "killed by signal 35; it said: x; see {log}"),
    ],
)
def test_how_it_ended(tmp_path: Path, code: int, said: str, told: str) -> None:
    log = tmp_path / "log"
    log.write_text(said)
    assert explain(code, log) == told.format(log=log)


def test_the_last_line_of_much_and_of_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"x" * 100_000 + b"\n" + b"y" * 1000 + b"\n  \n")
    assert last_line(log) == "y" * 300
    log.write_bytes(b"\xff\xfe not text \x00\n")
    assert "not text" in last_line(log)
