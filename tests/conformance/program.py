"""A worker that trains `score = step`, at once: what the conformance suite runs as a process."""

import json
from pathlib import Path

from population_worker import Session

with Session() as session:
    for member in session.members():
        weights = {"steps": 0}

        def save(folder: Path, weights: dict[str, int] = weights) -> None:
            (folder / "weights.json").write_text(json.dumps(weights))

        def load(folder: Path, kind: str, weights: dict[str, int] = weights) -> None:
            weights.update(json.loads((folder / "weights.json").read_text()))

        for interval in member.intervals(save=save, load=load):
            weights["steps"] += interval.until - interval.step
            interval.report(interval.until, weights["steps"])
