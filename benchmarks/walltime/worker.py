"""Our worker of `benchmarks.walltime`.

A report commits a checkpoint, so it reports where it is asked to, at the ends of rungs, and in
between only what is the lowest loss that this worker has seen.
"""

from __future__ import annotations

import math

from benchmarks.walltime.network import data
from benchmarks.walltime.task import chosen
from population_worker import Session


def main() -> None:
    data()
    task = chosen()
    lowest = math.inf
    with Session() as session:
        for member in session.members():
            model = task.model(member.hyperparameters)
            for interval in member.intervals(model):
                while not member.ended and model.step < interval.until:
                    loss = model.train()
                    if model.step >= interval.until or loss < lowest:
                        interval.report(model.step, loss)
                    lowest = min(lowest, loss)


if __name__ == "__main__":
    main()
