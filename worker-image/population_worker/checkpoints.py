"""The folder of checkpoints: commit, copy, find and forget immutable directories.

`<root>/<member>/<directive>-<step>/` is there or not there: it is written under a temporary name,
fsynced and renamed, and never changed after that.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from population_worker import manifest as manifests
from population_worker import wire
from population_worker.copying import (
    CHEAPEST_FIRST,
    Copier,
    copy_file,
    sync_folder,
    sync_subfolders,
)
from population_worker.digests import CorruptCheckpoint, check_sizes, seal
from population_worker.directive import CheckpointRef, Forget, parse_member
from population_worker.disk import disk_errno
from population_worker.manifest import Manifest, read_manifest
from population_worker.report import Report
from population_worker.wire import InvalidMessage

_COMMITTED = re.compile(r"(\d{1,19})-(\d{1,19})")
_TEMPORARY = re.compile(r"\.tmp-(\d{1,19})-\d{1,19}-\w+")


@dataclass(frozen=True)
class Checkpoint:
    """A committed checkpoint."""

    reference: CheckpointRef
    folder: Path
    manifest: Manifest


class CheckpointStore:
    """One experiment's checkpoints. Safe to use from several threads and processes."""

    def __init__(self, root: Path, copiers: Sequence[Copier] = CHEAPEST_FIRST) -> None:
        self.root = root
        self._copiers = copiers
        self._being_written: set[str] = set()

    def folder(self, reference: CheckpointRef) -> Path:
        """Return where a checkpoint is; raises `InvalidMessage` for a name that leaves the root."""
        parse_member(reference.member, "checkpoint.member")
        return self.root / reference.member / f"{reference.directive}-{reference.step}"

    def open(self, reference: CheckpointRef) -> Checkpoint:
        """Read a manifest and check sizes; raises `CorruptCheckpoint`, also where there is none."""
        folder = self.folder(reference)
        try:
            manifest = read_manifest(folder)
        except FileNotFoundError as error:
            raise CorruptCheckpoint(f"{reference}: there is no such checkpoint") from error
        except OSError as error:
            raise CorruptCheckpoint(f"{manifests.NAME}: {error.strerror}") from error
        except InvalidMessage as error:
            raise CorruptCheckpoint(f"{manifests.NAME}: {error}") from error
        check_sizes(folder, manifest.files)
        return Checkpoint(reference, folder, manifest)

    def references(self, member: str, directives: Collection[int]) -> list[CheckpointRef]:
        """Return a member's checkpoints under `directives`, oldest first: by step, then directive.

        Only names are read.
        """
        found = (_COMMITTED.fullmatch(name) for name in self._names(member))
        references = (
            CheckpointRef(member, int(match[1]), int(match[2])) for match in found if match
        )
        return sorted(
            (reference for reference in references if reference.directive in directives),
            key=lambda reference: (reference.step, reference.directive),
        )

    def all_references(self, member: str) -> list[CheckpointRef]:
        """Return all of a member's checkpoints, oldest first: by directive, then step."""
        found = (_COMMITTED.fullmatch(name) for name in self._names(member))
        return sorted(CheckpointRef(member, int(m[1]), int(m[2])) for m in found if m)

    def commit(
        self,
        reference: CheckpointRef,
        save: Callable[[Path], object],
        describe: Callable[[], Report],
    ) -> tuple[Report, int]:
        """Let the program save into a new folder, and commit it with the report of `describe`.

        `describe` is called once all files are safe. Returns its report and the checkpoint's
        bytes. Raises what `save` raises, ValueError for
        files that cannot be kept, and OSError; nothing is left behind then.
        """
        with self._temporary(reference) as folder:
            save(folder)
            files = seal(folder)
            report = describe()
            committed = self._publish(folder, reference, Manifest(files, report=report))
            return report, committed.manifest.size

    def copy(self, donor: Checkpoint, reference: CheckpointRef) -> tuple[Checkpoint, int]:
        """Copy a donor's checkpoint under another name; sizes are checked, digests are not.

        Returns the copy and how many bytes had to be moved. What exists already is taken as it is.
        Raises `CorruptCheckpoint` where the donor is, or goes, and OSError.
        """
        if self.folder(reference).exists():
            return self.open(reference), 0
        with self._temporary(reference) as folder:
            moved = 0
            for file in donor.manifest.files:
                target = folder / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    moved += copy_file(donor.folder / file.path, target, self._copiers)
                except FileNotFoundError as error:
                    raise CorruptCheckpoint(f"{file.path}: {error.strerror}") from error
            check_sizes(folder, donor.manifest.files)
            sync_subfolders(folder)
            content = Manifest(donor.manifest.files, copied_from=donor.reference)
            return self._publish(folder, reference, content), moved

    def discard(self, reference: CheckpointRef) -> None:
        """Delete one checkpoint; it disappears at once, its bytes after that."""
        folder = self.folder(reference)
        doomed = folder.with_name(_temporary_name(reference))
        try:
            folder.rename(doomed)  # nobody ever sees half a checkpoint
        except FileNotFoundError:
            return
        shutil.rmtree(doomed)

    def forget(self, item: Forget, protected: Collection[CheckpointRef]) -> list[CheckpointRef]:
        """Delete what `item` names and leftovers of it; what is missing counts as done.

        Returns the protected checkpoints that it named, which are kept. Raises OSError.
        """
        named = [
            reference
            for reference in self.references(item.member, {item.directive})
            if reference.step not in item.keep
        ]
        for reference in named:
            if reference not in protected:
                self.discard(reference)
        self.sweep(item.member, {item.directive})
        return [reference for reference in named if reference in protected]

    def sweep(self, member: str, directives: Collection[int]) -> None:
        """Delete what a crash left of commits and copies under `directives`."""
        for name in self._names(member):
            match = _TEMPORARY.fullmatch(name)
            if match and int(match[1]) in directives and name not in self._being_written:
                shutil.rmtree(self.root / member / name, ignore_errors=True)

    def _names(self, member: str) -> list[str]:
        try:
            folder = self.root / parse_member(member, "member")
            return [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def _temporary(self, reference: CheckpointRef) -> Iterator[Path]:
        """Make a folder that is deleted at the end, unless it was renamed.

        An exception that a disk is to blame for leaves as an OSError with its errno.
        """
        name = _temporary_name(reference)
        folder = self.folder(reference).with_name(name)
        self._being_written.add(name)
        try:
            if not folder.parent.exists():
                folder.parent.mkdir(parents=True, exist_ok=True)
                sync_folder(self.root)
            folder.mkdir()
            yield folder
        except Exception as error:
            if (code := disk_errno(error, folder)) is not None:
                raise OSError(code, str(error), str(folder)) from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._being_written.discard(name)

    def _publish(self, folder: Path, reference: CheckpointRef, content: Manifest) -> Checkpoint:
        with (folder / manifests.NAME).open("xb") as file:
            file.write(wire.dumps(content.to_json()).encode())
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)
        target = self.folder(reference)
        folder.rename(target)
        try:
            sync_folder(target.parent)
        except OSError:  # Who tries again must find the name free.
            with contextlib.suppress(OSError):
                target.rename(folder)
            raise
        return Checkpoint(reference, target, content)


def _temporary_name(reference: CheckpointRef) -> str:
    return f".tmp-{reference.directive}-{reference.step}-{secrets.token_hex(4)}"
