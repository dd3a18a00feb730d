"""A learning rate whose optimum moves: no constant value does well, a schedule does.

No network and no data, so it runs anywhere in seconds. Accuracy rises fastest where `lr` is near
0.01 a/100 (a: the accuracy so far, up to 100; beyond, near 0.01 - 0.01 (a - 100)/100).
"""

import json
import random
import time
from pathlib import Path

from population_worker import Session

SECONDS_PER_STEP = 0.001


def gain(lr: float, accuracy: float, rng: random.Random) -> float:
    """What one step adds to the accuracy."""
    rising = accuracy if accuracy <= 100 else 200 - accuracy
    optimum = min(max(0.01 * rising / 100, 0.001), 0.01)
    ratio = max(lr, optimum) / min(lr, optimum)
    if ratio < 3:
        return rng.random() / ratio
    return -rng.random() * (ratio - 3) if lr > optimum else 0.0


def main() -> None:
    with Session() as session:
        for member in session.members():
            weights = {"accuracy": 0.0}

            def save(folder: Path, weights=weights) -> None:
                (folder / "weights.json").write_text(json.dumps(weights))

            def load(folder: Path, kind: str, weights=weights) -> None:
                weights.update(json.loads((folder / "weights.json").read_text()))

            for interval in member.intervals(save=save, load=load):
                rng = random.Random(interval.seed)
                for _ in range(interval.step, interval.until):
                    step = gain(interval.hyperparameters["lr"], weights["accuracy"], rng)
                    weights["accuracy"] = max(0.0, weights["accuracy"] + step + rng.gauss(0, 2))
                    time.sleep(SECONDS_PER_STEP)
                interval.report(interval.until, weights["accuracy"])


if __name__ == "__main__":
    main()
