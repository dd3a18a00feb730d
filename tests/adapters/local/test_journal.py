"""What only a file can do to a journal: tear, be changed, be locked, refuse a write."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from population_operator.adapters.local import journal as module
from population_operator.adapters.local.journal import FileJournal, JournalInUseError, read
from population_operator.api.scalars import LIMIT
from population_operator.model.entry import Entry, SpecObserved
from population_operator.ports import ConflictError, JournalUnavailableError
from tests.builders import an_experiment
from tests.conformance.entries import plain, rich

KEY = "any"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def append(path: Path, *entries: Entry) -> None:
    journal = FileJournal(path)
    try:
        for entry in entries:
            asyncio.run(journal.append(KEY, entry))
    finally:
        journal.close()


def load(path: Path) -> tuple[Entry, ...]:
    journal = FileJournal(path)
    try:
        return asyncio.run(journal.load(KEY))
    finally:
        journal.close()


# --- torn lines ---


def test_wherever_the_last_line_is_torn_it_is_dropped_and_written_anew(path: Path) -> None:
    append(path, plain(1), plain(2))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        assert read(path) == (plain(1),)
        append(path, plain(2, detail="again"))
        assert load(path) == (plain(1), plain(2, detail="again"))


def test_a_torn_first_line_is_an_empty_journal(path: Path) -> None:
    path.write_bytes(b'{"seq":1,"ti')
    assert load(path) == ()
    append(path, plain(1))
    assert load(path) == (plain(1),)


@pytest.mark.parametrize("content", [b"notes", b"\x89PNG\r\n\x1a\n", b"[1, 2]\n"])
def test_a_file_that_is_something_else_is_refused_and_left_alone(
    path: Path, content: bytes
) -> None:
    """It looks like a torn first line, and would be written over."""
    path.write_bytes(content)
    with pytest.raises(JournalUnavailableError, match="line 1 is not an entry"):
        append(path, plain(1))
    assert path.read_bytes() == content


def test_a_torn_line_that_happens_to_end_in_a_newline(path: Path) -> None:
    append(path, plain(1))
    path.write_bytes(path.read_bytes() + b'{"seq":2,"time":10\n')
    assert load(path) == (plain(1),)


def test_a_tail_of_zeros_from_a_power_cut(path: Path) -> None:
    append(path, plain(1))
    path.write_bytes(path.read_bytes() + bytes(4096))
    append(path, plain(2))
    assert load(path) == (plain(1), plain(2))


def test_a_longer_torn_line_leaves_nothing_behind_a_shorter_one(path: Path) -> None:
    append(path, plain(1))
    path.write_bytes(path.read_bytes() + plain(2, detail="x" * 9999).model_dump_json().encode())
    append(path, plain(2))
    assert load(path) == (plain(1), plain(2))
    assert path.read_bytes().count(b"\n") == 2


# --- a file that somebody changed ---


def test_a_line_in_the_middle_that_is_no_entry_is_told_with_its_number(path: Path) -> None:
    append(path, plain(1), plain(2), plain(3))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"something else\n" + lines[2])
    with pytest.raises(JournalUnavailableError, match=rf"{path}: line 2 .*restore it, or move it"):
        read(path)


def test_a_last_line_of_another_version_is_not_taken_for_a_torn_one(path: Path) -> None:
    """Dropping it would lose an entry without a word."""
    append(path, plain(1))
    newer = plain(2).model_dump_json()[:-1].encode() + b',"shards":3}\n'
    path.write_bytes(path.read_bytes() + newer)
    with pytest.raises(JournalUnavailableError, match=r"line 2 is not an entry .*shards"):
        read(path)


@pytest.mark.parametrize("kept", [(0, 2), (1,), (0, 0), (1, 0)])
def test_missing_repeated_and_exchanged_lines_are_told(path: Path, kept: tuple[int, ...]) -> None:
    append(path, plain(1), plain(2), plain(3))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[index] for index in kept))
    with pytest.raises(JournalUnavailableError, match=r"line \d has entry \d"):
        read(path)


def test_text_with_every_kind_of_line_end_stays_in_one_line(path: Path) -> None:
    append(path, rich(1), plain(2, detail="a\r\nb\x0b\x0c\x1c\x85\u2028c"))
    assert len(path.read_bytes().splitlines()) == 2
    assert load(path) == (rich(1), plain(2, detail="a\r\nb\x0b\x0c\x1c\x85\u2028c"))


def test_an_entry_that_nobody_could_read_is_not_written(path: Path) -> None:
    """A copy of a model is not validated."""
    experiment = an_experiment().build()
    population = experiment.spec.population.model_copy(update={"seed": LIMIT + 1})
    spec = experiment.spec.model_copy(update={"population": population})
    changed = SpecObserved(experiment=experiment.model_copy(update={"spec": spec}))
    with pytest.raises(ValidationError, match="seed"):
        append(path, plain(1), Entry(seq=2, time=2.0, observed=(changed,)))
    assert read(path) == (plain(1),)


# --- the lock ---


def test_a_second_writer_in_this_process_is_refused(path: Path) -> None:
    journal = FileJournal(path)
    with pytest.raises(JournalInUseError, match="being written by another process"):
        FileJournal(path)
    journal.close()
    FileJournal(path).close()


def test_the_lock_of_a_killed_writer_is_gone(path: Path) -> None:
    code = (
        "import sys, pathlib, time;"
        "from population_operator.adapters.local import FileJournal;"
        "j = FileJournal(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(JournalInUseError):
            FileJournal(path)
        other.kill()
        other.wait(10)
        FileJournal(path).close()


def test_reading_needs_no_lock(path: Path) -> None:
    journal = FileJournal(path)
    asyncio.run(journal.append(KEY, plain(1)))
    assert read(path) == (plain(1),)
    journal.close()


# --- disks that refuse ---


@pytest.mark.parametrize("after", [0, 1, 40])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_write_that_fails_never_happened(
    path: Path, monkeypatch: pytest.MonkeyPatch, after: int, code: int
) -> None:
    append(path, plain(1))
    journal = FileJournal(path)

    def torn(descriptor: int, data: bytes, offset: int) -> int:
        if after:
            os.write(os.open(path, os.O_WRONLY | os.O_APPEND), data[:after])
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "pwrite", torn)
        with pytest.raises(JournalUnavailableError, match=f"{path}: .*the same command goes on"):
            asyncio.run(journal.append(KEY, plain(2, detail="lost")))
    assert asyncio.run(journal.load(KEY)) == (plain(1),)
    asyncio.run(journal.append(KEY, plain(2)))
    journal.close()
    assert load(path) == (plain(1), plain(2))


def test_a_sync_that_fails_never_happened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole line is in the file by then, and must not be read later all the same."""
    append(path, plain(1))
    journal = FileJournal(path)

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fdatasync", broken)
        with pytest.raises(JournalUnavailableError):
            asyncio.run(journal.append(KEY, plain(2, detail="lost")))
    journal.close()
    assert load(path) == (plain(1),)


def test_what_cannot_even_be_taken_back_is_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(path, plain(1))
    journal = FileJournal(path)
    asyncio.run(journal.load(KEY))

    def broken(*arguments: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        truncate = os.ftruncate
        patch.setattr(module.os, "fdatasync", broken)
        lengths = iter((truncate, broken))
        patch.setattr(module.os, "ftruncate", lambda *at: next(lengths)(*at))
        with pytest.raises(JournalUnavailableError):
            asyncio.run(journal.append(KEY, plain(2, detail="lost")))
    assert path.read_bytes().count(b"\n") == 2
    assert asyncio.run(journal.load(KEY)) == (plain(1),)
    asyncio.run(journal.append(KEY, plain(2)))
    journal.close()
    assert load(path) == (plain(1), plain(2))


def test_an_append_before_anything_was_read_follows_what_is_there(path: Path) -> None:
    append(path, plain(1))
    append(path, plain(2))
    journal = FileJournal(path)
    asyncio.run(journal.append(KEY, plain(3)))
    journal.close()
    assert load(path) == (plain(1), plain(2), plain(3))


def test_appends_at_once_take_turns(path: Path) -> None:
    journal = FileJournal(path)

    async def race() -> list[object]:
        rivals = (journal.append(KEY, plain(1, detail=str(n))) for n in range(8))
        return await asyncio.gather(*rivals, return_exceptions=True)

    results = asyncio.run(race())
    journal.close()
    (won,) = [r for r in results if not isinstance(r, ConflictError)]
    assert load(path) == (won,)


def test_short_writes_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda fd, data, at: write(fd, data[:7], at))
    append(path, plain(1), rich(2))
    assert load(path) == (plain(1), rich(2))


def test_a_folder_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailableError, match=f"{tmp_path}/file.*another --output"):
        FileJournal(tmp_path / "file" / "run" / "journal.jsonl")


def test_a_journal_that_is_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailableError, match=f"{tmp_path}"):
        FileJournal(tmp_path)


def test_an_append_that_outlives_its_journal_touches_no_other_file(path: Path) -> None:
    """Descriptors are numbers, and numbers are given out again."""
    journal = FileJournal(path)
    journal.close()
    other = os.open(path.with_name("precious"), os.O_RDWR | os.O_CREAT)
    os.write(other, b"precious")
    with pytest.raises((JournalUnavailableError, ConflictError)):
        asyncio.run(journal.append(KEY, plain(1)))
    assert os.pread(other, 99, 0) == b"precious"
    os.close(other)


def test_an_entry_is_on_the_disk_before_it_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    sync, write = os.fdatasync, os.pwrite

    def writes(fd: int, data: bytes, at: int) -> int:
        told.append("write")
        return write(fd, data, at)

    def syncs(fd: int) -> None:
        told.append("sync")
        sync(fd)

    monkeypatch.setattr(module.os, "pwrite", writes)
    monkeypatch.setattr(module.os, "fdatasync", syncs)
    append(path, plain(1))
    assert told == ["write", "sync"]
