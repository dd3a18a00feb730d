"""A worker whose checkpoints are too large for the disk that it finds."""

from pathlib import Path

from population_worker import Session


def save(folder: Path) -> None:
    (folder / "weights").write_bytes(bytes(64 * 1024 * 1024))


with Session() as session:
    for member in session.members():
        for interval in member.intervals(save=save):
            interval.report(interval.until, 1.0)
