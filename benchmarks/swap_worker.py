"""The worker of `swap.py`: weights of a given size, and training that takes no time.

It says when it began to train (`time.time`, which is one clock for all processes of a machine).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from population_worker import Session


class State:
    """One array of ones; building it is the program's own work, so there is hardly any."""

    def __init__(self, mebibytes: int) -> None:
        self.weights = np.broadcast_to(1.0, mebibytes * 2**17)

    def save(self, folder: Path) -> None:
        np.save(folder / "weights.npy", self.weights)

    def load(self, folder: Path, kind: str) -> None:
        self.weights = np.load(folder / "weights.npy", allow_pickle=False)


def main() -> None:
    mebibytes = int(os.environ["SWAP_MEBIBYTES"])
    with Session() as session:
        for member in session.members():
            state = State(mebibytes)
            for interval in member.intervals(state):
                began = time.time()
                interval.report(interval.until, member.hyperparameters["x"], began=began)


if __name__ == "__main__":
    main()
