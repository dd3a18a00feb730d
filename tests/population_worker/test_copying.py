"""Copies by every way there is, and the falling back from one to the next."""

from __future__ import annotations

import errno
import os

import pytest

from population_worker import copying
from population_worker.copying import copy_bytes, copy_file, hard_link, reflink


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(os.urandom(3 * 2**20 + 17))
    return path


@pytest.fixture
def target(tmp_path):
    return tmp_path / "target"


def test_bytes_are_copied_in_chunks(source, target, monkeypatch):
    monkeypatch.setattr(copying, "_CHUNK_BYTES", 2**20)
    assert copy_bytes(source, target) == source.stat().st_size
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_ino != source.stat().st_ino


def test_an_empty_file_is_copied(tmp_path, target):
    (tmp_path / "empty").touch()
    assert copy_bytes(tmp_path / "empty", target) == 0
    assert target.read_bytes() == b""


def test_bytes_are_copied_where_the_kernel_does_not_help(source, target, monkeypatch):
    def unsupported(*arguments):
        raise OSError(errno.EXDEV, "no")

    monkeypatch.setattr(os, "copy_file_range", unsupported)
    assert copy_bytes(source, target) == source.stat().st_size
    assert target.read_bytes() == source.read_bytes()


def test_bytes_are_copied_where_python_does_not_help(source, target, monkeypatch):
    monkeypatch.delattr(os, "copy_file_range")
    assert copy_bytes(source, target) == source.stat().st_size
    assert target.read_bytes() == source.read_bytes()


def test_a_hard_link_moves_nothing(source, target):
    assert hard_link(source, target) == 0
    assert target.stat().st_ino == source.stat().st_ino


def test_the_cheapest_way_that_works_is_taken(source, target):
    copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()


def test_what_is_unsupported_leaves_nothing_in_the_way(source, target):
    def half(source_, target_):
        target_.write_bytes(b"half")
        raise OSError(errno.EOPNOTSUPP, "no")

    assert copy_file(source, target, (half, half, copy_bytes)) == source.stat().st_size
    assert target.read_bytes() == source.read_bytes()


def test_a_full_disk_is_not_hidden_by_falling_back(source, target):
    def full(source_, target_):
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        copy_file(source, target, (full, copy_bytes))


def test_an_existing_target_is_never_overwritten(source, target):
    target.write_bytes(b"there")
    for copier in (reflink, hard_link, copy_bytes):
        with pytest.raises(FileExistsError):
            copier(source, target)
    assert target.read_bytes() == b"there"


def test_another_filesystem_is_reached(tmp_path, target):
    shared = f"/dev/shm/population-worker-{os.getpid()}"
    with open(shared, "wb") as file:
        file.write(b"far")
    try:
        copy_file(tmp_path.__class__(shared), target)
    finally:
        os.unlink(shared)
    assert target.read_bytes() == b"far"
