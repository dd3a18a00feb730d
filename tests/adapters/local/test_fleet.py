"""What only processes on this machine do: refuse to start, die with last words, hang."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from population_operator.adapters.local import LocalFleet, RunFolder
from population_operator.adapters.local import fleet as module
from population_operator.core.observation import Observation
from population_operator.model.entry import Cause, WorkerGone
from tests.conformance.fleet_driver import (
    Driver,
    a_directive,
    a_worker,
    present,
    steps,
    the_experiment,
    uid,
)
from tests.conformance.loop import in_a_loop
from tests.conformance.test_fleet import PROGRAM, OnThisMachine


@asynccontextmanager
async def running(
    tmp_path: Path, *command: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[Driver]:
    """A fleet that starts this command."""
    world = OnThisMachine(RunFolder(tmp_path), the_experiment())
    world.fleet = replace(
        world.fleet,
        command=command or (sys.executable, str(PROGRAM)),
        env=env or {},
        cwd=cwd or PROGRAM.parent,
    )
    try:
        yield Driver(world)
    finally:
        await world.fleet.close()


async def lost(driver: Driver) -> WorkerGone:
    """How the first worker ended."""
    worker = a_worker(a_directive(3, until=10))
    seen = await driver.until("it is gone", lambda o: len(o.gone) == 1, worker)
    return seen.gone[0]


@in_a_loop
async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path, "/no/such/program") as driver:
        gone = await lost(driver)
        assert gone.cause is Cause.REFUSED
        assert gone.detail == "/no/such/program: No such file or directory"


@in_a_loop
async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path, cwd=tmp_path / "nowhere") as driver:
        gone = await lost(driver)
        assert gone.cause is Cause.REFUSED
        assert str(tmp_path / "nowhere") in gone.detail


@in_a_loop
async def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    """What is named is the file that is in the way, not the program."""
    async with running(tmp_path) as driver:
        folder = RunFolder(tmp_path)
        folder.logs.rmdir()
        folder.logs.write_text("")
        gone = await lost(driver)
        assert gone.cause is Cause.REFUSED
        assert gone.detail == f"{folder.log('w0', 1)}: Not a directory"


@in_a_loop
async def test_an_environment_that_no_process_can_have(tmp_path: Path) -> None:
    async with running(tmp_path, env={"NAME": "a\0b"}) as driver:
        gone = await lost(driver)
        assert gone.cause is Cause.REFUSED
        assert "null byte" in gone.detail


@in_a_loop
async def test_no_port_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(count: int) -> list[int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(module, "_free_ports", none)
    async with running(tmp_path) as driver:
        assert (await lost(driver)).detail.endswith("Too many open files")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo one; echo two >&2; exit 3", "ended with exit code 3; it said: two"),
        ("exit 0", "ended with exit code 0; see"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("kill -36 $$", "killed by signal 36"),
    ],
)
@in_a_loop
async def test_last_words(tmp_path: Path, script: str, told: str) -> None:
    async with running(tmp_path, "sh", "-c", script) as driver:
        gone = await lost(driver)
        assert gone.cause is Cause.EXITED
        assert told in gone.detail
        assert str(RunFolder(tmp_path).log("w0", 1)) in gone.detail


@pytest.mark.parametrize(
    ("cores", "own", "inherited", "threads"),
    [
        (8, None, None, "2"),  # three workers
        (2, None, None, "1"),
        (8, "5", None, "5"),
        (8, None, "6", "6"),
        (8, "5", "6", "5"),
    ],
)
@in_a_loop
async def test_workers_share_the_cores(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    own: str | None,
    inherited: str | None,
    threads: str,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if inherited is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", inherited)
    env = {} if own is None else {"OMP_NUM_THREADS": own}
    async with running(tmp_path, "sh", "-c", "echo $OMP_NUM_THREADS; exit 1", env=env) as driver:
        assert f"it said: {threads};" in (await lost(driver)).detail


@in_a_loop
async def test_what_happens_wakes_the_loop(tmp_path: Path) -> None:
    woken = asyncio.Event()
    async with running(tmp_path) as driver:
        assert isinstance(driver.world.fleet, LocalFleet)
        driver.world.fleet.wake = woken.set
        await driver.apply(a_worker(a_directive(3, until=10)))
        for what in ("it exists", "it answers or reports"):
            await asyncio.wait_for(woken.wait(), 10)
            woken.clear()
            assert present(await driver.observe()), what
        await driver.until("a report", lambda o: steps(o) == [10])


@in_a_loop
async def test_a_worker_starts_until_it_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as driver:
        fleet = driver.world.fleet
        assert isinstance(fleet, LocalFleet)
        assert fleet.starting() == frozenset()
        await driver.apply(a_worker(a_directive(3, until=10)))
        assert fleet.starting() == {"w0"}
        await driver.until("a report", lambda o: steps(o) == [10])
        assert fleet.starting() == frozenset()


@in_a_loop
async def test_a_worker_that_is_gone_does_not_start(tmp_path: Path) -> None:
    async with running(tmp_path, "false") as driver:
        await lost(driver)
        assert isinstance(driver.world.fleet, LocalFleet)
        assert driver.world.fleet.starting() == frozenset()


@in_a_loop
async def test_a_worker_that_hangs_falls_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It exists, but says nothing: that is told as seconds, and judged by the core."""
    from population_operator.adapters.local import process
    from population_operator.adapters.worker import link

    monkeypatch.setattr(link, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)

    def silence(observation: Observation) -> float:
        return observation.present[0].silent_for

    async with running(tmp_path) as driver:
        worker = a_worker(a_directive(3, until=10))
        seen = await driver.until("a report", lambda o: steps(o) == [10], worker)
        known = a_worker(a_directive(3, until=10), uid=uid(seen))
        assert silence(seen) < 1.0
        await driver.world.stall(("w0", 1))
        await driver.until("it is silent", lambda o: silence(o) > 0.5, known)
        assert isinstance(driver.world, OnThisMachine)
        (process_,) = driver.world._processes().values()
        os.kill(process_.pid, signal.SIGCONT)
        await driver.until("it answers again", lambda o: silence(o) == 0.0, known)


@in_a_loop
async def test_one_that_never_answered_is_not_silent_but_slow(tmp_path: Path) -> None:
    """Importing a framework may take minutes: that is what `stragglerTimeout` is for."""
    async with running(tmp_path, "sleep", "60") as driver:
        worker = a_worker(a_directive(3, until=10))
        seen = await driver.until("it exists", lambda o: len(o.present) == 1, worker)
        assert seen.present[0].silent_for == 0.0


@in_a_loop
async def test_closing_twice_and_closing_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as driver:
        assert isinstance(driver.world.fleet, LocalFleet)
        await driver.world.fleet.close()
        await driver.world.fleet.close()
