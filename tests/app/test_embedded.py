"""One experiment in one folder: begun, interrupted, resumed; with real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from population_operator.adapters.local import RunFolder
from population_operator.adapters.local.journal import JournalInUseError, read
from population_operator.app.embedded import EmbeddedRun, Program
from population_operator.core.history import History
from population_operator.core.verify import verify
from population_operator.model.entry import Phase
from population_operator.model.state import State
from population_operator.ports import JournalUnavailableError
from tests.builders import an_experiment
from tests.conformance.loop import in_a_loop

PROGRAM = Path(__file__).parents[1] / "conformance" / "program.py"
EXPERIMENT = an_experiment().size(2).synchronous().steps(10, 40).truncation(0.5).named("t", uid="")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def program(*command: str) -> Program:
    return Program(command or (sys.executable, str(PROGRAM)), {}, PROGRAM.parent)


def silent(_: State, __: History) -> None:
    pass


def children() -> set[psutil.Process]:
    return {
        p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE
    }


@pytest.fixture(autouse=True)
def no_worker_survives() -> Iterator[None]:
    """Compared with what ran before: other suites' servers are children of this process too."""
    before = children()
    yield
    assert children() <= before


@in_a_loop
async def test_to_the_end_and_the_listener_sees_it_all(folder: RunFolder) -> None:
    seen: list[tuple[State, int]] = []
    run = EmbeddedRun(EXPERIMENT.build(), folder)
    try:
        state, history = await run.run(
            program(), lambda state, history: seen.append((state, len(history.happenings)))
        )
    finally:
        run.close()
    assert state.phase is Phase.COMPLETE
    assert history.state == state == seen[-1][0]
    assert [count for _, count in seen] == sorted(count for _, count in seen)
    entries = read(folder.journal)
    assert verify(entries).divergence is None
    assert entries[-1].seq == state.seq


@in_a_loop
async def test_the_folder_is_locked_from_the_beginning_to_close(folder: RunFolder) -> None:
    run = EmbeddedRun(EXPERIMENT.build(), folder)
    with pytest.raises(JournalInUseError):
        EmbeddedRun(EXPERIMENT.build(), folder)
    run.close()
    EmbeddedRun(EXPERIMENT.build(), folder).close()


@in_a_loop
async def test_an_interruption_suspends_and_the_next_run_goes_on(folder: RunFolder) -> None:
    uids, phases = set(), []
    for enough in (2, 4, None):
        run = EmbeddedRun(EXPERIMENT.build(), folder)

        def listen(
            state: State, _: History, run: EmbeddedRun = run, enough: int | None = enough
        ) -> None:
            if enough is not None and state.reports >= enough:
                run.interrupt()

        try:
            state, history = await run.run(program(), listen)
        finally:
            run.close()
        assert history.state == state
        phases.append(state.phase)
        uids.add(state.spec.metadata.uid)
    assert phases == [Phase.SUSPENDED, Phase.SUSPENDED, Phase.COMPLETE]
    assert len(uids) == 1, "the run keeps the identity that its journal has"
    assert verify(read(folder.journal)).divergence is None
    assert {m.step for m in state.members.values()} == {40}


@in_a_loop
async def test_an_interruption_before_the_first_pass(folder: RunFolder) -> None:
    run = EmbeddedRun(EXPERIMENT.build(), folder)
    try:
        run.interrupt()
        state, _ = await run.run(program(), silent)
    finally:
        run.close()
    assert state.phase is Phase.SUSPENDED
    assert state.workers == {}


@in_a_loop
async def test_signals_are_heard_while_it_runs_and_given_back_after(folder: RunFolder) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run = EmbeddedRun(EXPERIMENT.build(), folder)

    def listen(state: State, history: History) -> None:
        if state.reports >= 2:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        state, _ = await run.run(program(), listen)
    finally:
        run.close()
    assert state.phase is Phase.SUSPENDED
    assert signal.getsignal(signal.SIGTERM) == before


@in_a_loop
async def test_a_disk_that_refuses_ends_it_and_its_workers(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = EmbeddedRun(EXPERIMENT.build(), folder)
    write, entries = os.fdatasync, 0

    def full(descriptor: int) -> None:
        nonlocal entries
        entries += 1
        if entries > 5:
            raise OSError(28, "No space left on device")
        write(descriptor)

    try:
        with monkeypatch.context() as patch:
            patch.setattr("population_operator.adapters.local.journal.os.fdatasync", full)
            with pytest.raises(JournalUnavailableError, match="free space there"):
                await run.run(program(), silent)
    finally:
        run.close()
    assert len(read(folder.journal)) == 5
    again = EmbeddedRun(EXPERIMENT.build(), folder)
    try:
        state, _ = await again.run(program(), silent)
    finally:
        again.close()
    assert state.phase is Phase.COMPLETE


@in_a_loop
async def test_waiting_costs_nothing(folder: RunFolder) -> None:
    """A worker that says nothing for a second: a handful of passes, and hardly any time."""
    experiment = EXPERIMENT.size(1).random_search().max_duration(1.2).build()
    passes: list[float] = []
    run = EmbeddedRun(experiment, folder)
    begin = time.process_time()
    try:
        state, _ = await run.run(program("sleep", "60"), lambda s, h: passes.append(s.time))
    finally:
        run.close()
    assert state.phase_reason == "MaxDurationReached"
    assert len(passes) < 12
    assert time.process_time() - begin < 0.6
