"""Which model, and with which hyperparameters? Families of scikit-learn's models compete.

A checkpoint is a file of skops: a model's arrays and nothing that runs. Only the types that are
named here are loaded, besides scikit-learn's own that skops trusts; no pickle.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from data import Split, load
from families import build, chosen, train

from population_worker import Session

TRUSTED = [
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]
MODEL = "model.skops"


class State:
    """A model that can be saved, and go on from there."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def save(self, folder: Path) -> None:
        skops.io.dump(self.model, folder / MODEL)

    def load(self, folder: Path, kind: str) -> None:
        self.model = skops.io.load(folder / MODEL, trusted=TRUSTED)


def measure(model: Any, split: Split) -> tuple[float, float]:
    """Cross-entropy and accuracy; a label that is called impossible counts as one in a million."""
    likely = model.predict_proba(split.pictures)
    of_the_label = likely[np.arange(len(split.labels)), split.labels]
    accuracy = (likely.argmax(axis=1) == split.labels).mean()
    return float(-np.log(of_the_label.clip(min=1e-6)).mean()), float(accuracy)


def main() -> None:
    data, valid, test = load()
    with Session() as session:
        for member in session.members():
            family, values = chosen(member.hyperparameters)
            state = State(build(family, values, seed=member.seed % 2**32))
            for interval in member.intervals(state):
                began = time.process_time()
                train(state.model, family, data, interval.until - interval.step)
                spent = time.process_time() - began
                loss, validation_accuracy = measure(state.model, valid)
                test_loss, test_accuracy = measure(state.model, test)
                interval.report(
                    interval.until,
                    loss,
                    validation_accuracy=validation_accuracy,
                    test_loss=test_loss,
                    test_accuracy=test_accuracy,
                    cpu_seconds=spent,
                )


if __name__ == "__main__":
    main()
