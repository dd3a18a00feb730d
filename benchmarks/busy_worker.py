"""The worker of `busy.py`: trains for a while, unequally long, and says from when to when.

`time.time` is one clock for all processes of a machine.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

from population_worker import Session


def main() -> None:
    pace = float(os.environ["BUSY_SECONDS"])
    with Session() as session:
        for member in session.members():
            x = member.hyperparameters["x"]

            def save(folder: Path) -> None:
                (folder / "weights.json").write_text("0")

            def load(folder: Path, kind: str) -> None:
                json.loads((folder / "weights.json").read_text())

            for interval in member.intervals(save=save, load=load):
                rng = random.Random(interval.seed)
                began = time.time()
                for _ in range(interval.step, interval.until):
                    time.sleep(pace * rng.uniform(0.5, 1.5))
                score = x + rng.gauss(0, 0.1)
                interval.report(interval.until, score, began=began, ended=time.time())


if __name__ == "__main__":
    main()
