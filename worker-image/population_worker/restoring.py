"""Bring a program's state to where a directive starts: find, copy, load, verify."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from population_worker.checkpoints import Checkpoint, CheckpointStore
from population_worker.digests import CorruptCheckpoint, verifying
from population_worker.directive import CheckpointRef, Directive, Kind
from population_worker.disk import DiskRetry
from population_worker.metrics import Telemetry
from population_worker.seeding import seed_everything


class RestoreFailed(Exception):
    """A checkpoint cannot be restored; `checkpoint` is the one that the operator named."""

    def __init__(self, checkpoint: CheckpointRef, reason: str) -> None:
        super().__init__(f"{checkpoint}: {reason}")
        self.checkpoint = checkpoint
        self.reason = reason


@dataclass(frozen=True)
class Source:
    """A checkpoint to load, as what, and which one the operator knows it by."""

    checkpoint: Checkpoint
    kind: Kind
    origin: CheckpointRef


class Restorer:
    """Restores one worker's members. What once failed is not tried again by this incarnation."""

    def __init__(self, store: CheckpointStore, retry: DiskRetry, telemetry: Telemetry) -> None:
        self._store = store
        self._retry = retry
        self._telemetry = telemetry
        self._rejected: set[CheckpointRef] = set()

    def own(self, directive: Directive) -> Checkpoint | None:
        """Return the newest checkpoint committed under the directive or those it resumes.

        Removes what a crash left there. Raises `RestoreFailed`.
        """
        self._store.sweep(directive.member, directive.lineage)
        references = self._store.references(directive.member, directive.lineage)
        for reference in reversed(references):
            if reference not in self._rejected:
                return self._open(reference)
        return None

    def source(self, directive: Directive, own: Checkpoint | None) -> Source | None:
        """Return what to load, None for a start; an exploit copies its donor first.

        Raises `RestoreFailed`, and SystemExit for a disk that stays full.
        """
        if own is not None:
            kind = Kind.EXPLOIT if own.manifest.is_copy else Kind.RESUME
            return Source(own, kind, own.manifest.copied_from or own.reference)
        if directive.restore is None:
            return None
        checkpoint = self._open(directive.restore)
        if directive.kind is Kind.EXPLOIT:
            checkpoint = self._copy(checkpoint, directive)
        return Source(checkpoint, directive.kind, directive.restore)

    def load(self, source: Source, load: Callable[[Path, str], object], seed: int) -> None:
        """Load, while the digests are computed; a clone is seeded anew after that.

        Raises `RestoreFailed` where a digest differs. What `load` raises on bytes that are right
        is the program's own error and passes through.
        """
        checkpoint = source.checkpoint
        with verifying(checkpoint.folder, checkpoint.manifest.files) as verification:
            try:
                load(checkpoint.folder, str(source.kind))
            except Exception:
                self._join(verification.join, source)
                raise
            self._join(verification.join, source)
        if source.kind is Kind.EXPLOIT:
            seed_everything(seed)  # a clone must not repeat its donor's batches
        self._telemetry.transferred("restore", checkpoint.manifest.size)

    def _open(self, reference: CheckpointRef) -> Checkpoint:
        try:
            return self._store.open(reference)
        except CorruptCheckpoint as error:
            self._rejected.add(reference)
            raise RestoreFailed(reference, str(error)) from error

    def _copy(self, donor: Checkpoint, directive: Directive) -> Checkpoint:
        reference = CheckpointRef(directive.member, directive.id, donor.reference.step)
        try:
            copied, moved = self._retry(
                "copy", directive.member, lambda: self._copy_once(donor, reference)
            )
        except CorruptCheckpoint as error:
            raise RestoreFailed(donor.reference, str(error)) from error
        self._telemetry.transferred("copy", moved)
        return copied

    def _copy_once(self, donor: Checkpoint, reference: CheckpointRef) -> tuple[Checkpoint, int]:
        try:
            return self._store.copy(donor, reference)
        except OSError as error:
            if error.errno == errno.EIO:  # waiting does not help: another donor may
                raise CorruptCheckpoint(f"copy: {error}") from error
            raise

    def _join(self, join: Callable[[], None], source: Source) -> None:
        try:
            join()
        except CorruptCheckpoint as error:
            reference = source.checkpoint.reference
            self._rejected.add(reference)
            if source.checkpoint.manifest.is_copy:
                self._store.discard(reference)  # a successor must not find it
            raise RestoreFailed(source.origin, str(error)) from error
