"""Deletes what a run that has ended does not keep, where its last worker did not come to it."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from population_operator.model.report import CheckpointRef

_CHECKPOINT = re.compile(r"(\d+)-(\d+)")
_UNFINISHED = re.compile(r"\.tmp-\d+-\d+-[0-9a-f]+")


def sweep(checkpoints: Path, keep: Collection[CheckpointRef]) -> int:
    """Delete all checkpoints but `keep`; only when no worker runs. Returns how many there were.

    What carries no checkpoint's name is left alone. What cannot be deleted is left, too: the run
    is none the worse for it.
    """
    kept = {(ref.member, f"{ref.directive}-{ref.step}") for ref in keep}
    count = 0
    for member in _folders(checkpoints):
        for folder in _folders(member):
            if _UNFINISHED.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
            elif _CHECKPOINT.fullmatch(folder.name) and (member.name, folder.name) not in kept:
                count += _discard(folder)
    return count


def _folders(path: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(p for p in path.iterdir() if p.is_dir() and not p.is_symlink())
    return []


def _discard(folder: Path) -> bool:
    """It disappears at once, its bytes after that: nobody ever sees half a checkpoint."""
    doomed = folder.with_name(f".tmp-{folder.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        return True
    return False
