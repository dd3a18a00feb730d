"""`manifest.json`: what a checkpoint consists of, and the report it was committed with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from population_worker import wire
from population_worker.directive import CheckpointRef, parse_checkpoint
from population_worker.report import Report, parse_report
from population_worker.wire import InvalidMessage

NAME = "manifest.json"
_FORMAT = 1
_HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class File:
    """One file: its path relative to the checkpoint's folder, its bytes' count and digest."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A committed checkpoint's content. `report` is None for the copy of a donor."""

    files: tuple[File, ...]
    report: Report | None = None
    copied_from: CheckpointRef | None = None

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def is_copy(self) -> bool:
        """Whether this is only a donor's copy: nothing was trained since."""
        return self.copied_from is not None and self.report is None

    def to_json(self) -> dict[str, object]:
        """Return the manifest as the contract writes it."""
        return {
            "format": _FORMAT,
            "files": [
                {"path": file.path, "size": file.size, "sha256": file.sha256} for file in self.files
            ],
            "report": None if self.report is None else self.report.to_json(),
            "copied_from": None if self.copied_from is None else self.copied_from.to_json(),
        }


def read_manifest(folder: Path) -> Manifest:
    """Read a checkpoint's manifest; raises FileNotFoundError or `InvalidMessage`."""
    return parse_manifest(wire.loads((folder / NAME).read_bytes()))


def parse_manifest(value: object) -> Manifest:
    """Read a decoded manifest; raises `InvalidMessage`, also for a path that leaves the folder."""
    body = wire.fields(value, "manifest")
    if body.get("format") != _FORMAT:
        raise InvalidMessage(f"format: {body.get('format')!r} is unknown, expected {_FORMAT}")
    report, copied_from = body.get("report"), body.get("copied_from")
    return Manifest(
        files=tuple(
            _file(item, f"files[{index}]")
            for index, item in enumerate(wire.items(body.get("files"), "files"))
        ),
        report=None if report is None else parse_report(report, "report"),
        copied_from=None if copied_from is None else parse_checkpoint(copied_from, "copied_from"),
    )


def _file(value: object, path: str) -> File:
    body = wire.fields(value, path)
    name = wire.text(body.get("path"), f"{path}.path")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name or name == NAME or not parts:
        raise InvalidMessage(f"{path}.path: {name[:80]!r} is no path inside of a checkpoint")
    digest = wire.text(body.get("sha256"), f"{path}.sha256")
    if len(digest) != 64 or not _HEX_DIGITS.issuperset(digest):
        raise InvalidMessage(f"{path}.sha256: {digest[:80]!r} is no SHA-256 digest")
    return File(name, wire.integer(body.get("size"), f"{path}.size"), digest)
