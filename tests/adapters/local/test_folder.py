"""A run's folder: the same credentials again, and nobody else may read them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from population_operator.adapters.local.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "digits")


def test_preparing_again_changes_nothing(folder: RunFolder) -> None:
    first = folder.prepare("uid-1")
    assert folder.prepare("uid-1") == first
    assert RunFolder(folder.root).prepare("uid-1") == first


def test_another_folder_has_another_secret(folder: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "other")
    assert folder.prepare("uid-1").token != other.prepare("uid-1").token


def test_only_its_owner_may_read_the_secrets(folder: RunFolder) -> None:
    folder.prepare("uid-1")
    assert stat.S_IMODE(folder.credentials.stat().st_mode) == 0o700
    for file in folder.credentials.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert {f.name for f in folder.credentials.iterdir()} == {
        "master",
        "token",
        "tls.crt",
        "tls.key",
    }


def test_a_secret_that_was_cut_short_by_a_crash_is_made_anew(folder: RunFolder) -> None:
    folder.prepare("uid-1")
    (folder.credentials / "master").write_bytes(b"short")
    made = folder.prepare("uid-1")
    assert folder.prepare("uid-1") == made


def test_places(folder: RunFolder) -> None:
    folder.prepare("uid-1")
    assert folder.checkpoints("uid-1").is_dir()
    assert folder.logs.is_dir()
    assert folder.log("w0", 3) == folder.logs / "w0-3.log"
    assert {p.name for p in (folder.journal, folder.result, folder.report)} == {
        "journal.jsonl",
        "result.json",
        "report.html",
    }
