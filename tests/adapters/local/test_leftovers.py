"""Processes are known by their environment, whoever their parent and their group are."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from unittest.mock import Mock

import pytest

from population_operator.adapters.local import leftovers
from population_operator.adapters.local.warden import Warden


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as it:
        yield it


def sleeper(stack: ExitStack, **marks: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}, start_new_session=True)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def test_only_those_with_all_marks(stack: ExitStack) -> None:
    ours = sleeper(stack, LEFT_A="1", LEFT_B="2")
    theirs = [sleeper(stack, LEFT_A="1"), sleeper(stack, LEFT_A="1", LEFT_B="22")]
    assert leftovers.end({"LEFT_A": "1", "LEFT_B": "2"}) == []
    assert ours.wait(5) == -9
    assert [process.poll() for process in theirs] == [None, None]


@pytest.mark.parametrize("without", [AttributeError, OSError(errno.ENOSYS, "no such call")])
def test_where_no_process_can_be_held(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, without: Exception
) -> None:
    """Some builds of Python have no pidfd_open, nor have old kernels and some sandboxes."""
    if isinstance(without, OSError):
        monkeypatch.setattr(os, "pidfd_open", Mock(side_effect=without))
    else:
        monkeypatch.delattr(os, "pidfd_open")
    ours, theirs = sleeper(stack, LEFT_A="1", LEFT_B="2"), sleeper(stack, LEFT_A="1")
    assert leftovers.end({"LEFT_A": "1", "LEFT_B": "2"}) == []
    assert ours.wait(5) == -9
    assert theirs.poll() is None


def test_a_mark_may_hold_bytes_that_are_no_text(stack: ExitStack) -> None:
    folder = os.fsdecode(b"/tmp/caf\xe9")
    ours = sleeper(stack, LEFT_A=folder)
    assert leftovers.end({"LEFT_A": folder}) == []
    assert ours.wait(5) == -9


def test_the_warden_ends_its_own_when_it_is_let_go(stack: ExitStack) -> None:
    mine, other = Warden(), Warden()
    ours, theirs = sleeper(stack, **mine.marks), sleeper(stack, **other.marks)
    mine.close()
    assert ours.wait(5) == -9
    assert theirs.poll() is None
    other.close()
    assert theirs.wait(5) == -9


def test_the_warden_is_small() -> None:
    """It runs beside every population: no import of ours, or of a library, may creep in."""
    script = (
        "import sys, runpy; before = set(sys.modules);"
        f"runpy.run_path({leftovers.__file__!r}); print(len(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 60
