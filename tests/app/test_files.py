"""Files are replaced as a whole; what is no file stays what it is."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from population_operator.app.files import replace_file


def test_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"one", b"two"):
        replace_file(path, [content[:1], content[1:]])
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def parts():  # type: ignore[no-untyped-def]
        yield b"half"
        raise RuntimeError

    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        replace_file(path, parts())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_bytes(b"old")
    link.symlink_to("folder/target")
    replace_file(link, [b"new"])
    assert os.readlink(link) == "folder/target"
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    replace_file(pipe, [b"a", b"b"])
    reader.join(10)
    assert read == [b"ab"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]
