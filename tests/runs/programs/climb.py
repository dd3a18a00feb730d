"""A worker whose score rises by lr times a random number of the interval's seed.

The environment says what goes wrong:

    PACE      seconds that an interval takes
    NAN       members whose score is never a number: `m0,m1`, or `all`
    NOISE     a report has this many samples, whose spread is as large as the score
    SLOW      a member and how many seconds more its intervals take: `m1:0.5`
    DIES      the step that nobody gets beyond: the process exits with 9
    OVER      how many steps beyond its end an interval is trained
    SAVES     `no`: it saves nothing, and can load nothing

Its model has a `width` where the manifest has one, and refuses the weights of another width, as a
network does. Values of the wrong type are refused, too.
"""

import json
import math
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path

from population_worker import Session

PACE = float(os.environ.get("PACE", "0"))
NAN = os.environ.get("NAN", "").split(",")
NOISE = int(os.environ.get("NOISE", "0"))
SLOW, _, MORE = os.environ.get("SLOW", ":0").partition(":")
SAVES = os.environ.get("SAVES", "yes") == "yes"
OVER = int(os.environ.get("OVER", "0"))
DIES = int(os.environ.get("DIES", "0"))
TYPES = {
    "lr": float,
    "batch": int,
    "width": int,
    "depth": int,
    "optimizer": str,
    "momentum": float,
    "beta": float,
}


class Model:
    """A number, and how wide it is."""

    def __init__(self, hyperparameters: Mapping[str, float | int | str | bool]) -> None:
        self.width = hyperparameters.get("width")
        self.height = 0.0
        self.values: Mapping[str, float | int | str | bool] = {}

    def save(self, folder: Path) -> None:
        weights = {"width": self.width, "height": self.height}
        (folder / "weights.json").write_text(json.dumps(weights))

    def load(self, folder: Path, kind: str) -> None:
        weights = json.loads((folder / "weights.json").read_text())
        if weights["width"] != self.width:
            raise SystemExit(f"weights of width {weights['width']} do not fit {self.width}")
        self.height = weights["height"]

    def apply(self, hyperparameters: Mapping[str, float | int | str | bool]) -> None:
        for name, value in hyperparameters.items():
            if type(value) is not TYPES[name]:
                raise SystemExit(f"{name} is {value!r}, no {TYPES[name].__name__}")
        if hyperparameters.get("width") != self.width:
            raise SystemExit("the width was changed without a new model")
        if ("momentum" in hyperparameters) != (hyperparameters.get("optimizer") == "sgd"):
            raise SystemExit(f"inactive or missing: {dict(hyperparameters)}")
        self.values = hyperparameters


def main() -> None:
    with Session() as session:
        for member in session.members():
            model = Model(member.hyperparameters)
            callbacks = {"state": model} if SAVES else {"apply": model.apply}
            for interval in member.intervals(**callbacks):
                rng = random.Random(interval.seed)
                if DIES and interval.until >= DIES:
                    raise SystemExit(9)
                time.sleep(PACE + (float(MORE) if member.name == SLOW else 0))
                model.height += float(interval.hyperparameters["lr"]) * rng.random()
                broken = member.name in NAN or "all" in NAN
                score = math.nan if broken else model.height
                samples = [score * (1 + rng.gauss(0, 1)) for _ in range(NOISE)]
                interval.report(
                    interval.until + OVER,
                    score,
                    samples=samples,
                    height=model.height,
                    begun=interval.step,
                )


if __name__ == "__main__":
    main()
