"""Whether an image has all that the operator needs: its Dockerfile runs this, on the last stage.

It imports every module and runs an experiment of each algorithm to its end, in virtual time.
"""

from __future__ import annotations

import importlib
import pkgutil

import population_operator
from population_operator.algorithms.registry import ALGORITHMS
from population_operator.api import PopulationExperiment
from population_operator.app.simulate import simulate
from population_operator.model.entry import Phase
from population_operator.model.space import Hyperparameters

STEPS = 9


class Climb:
    """The score is the learning rate times the steps."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> float:
        return 0.0

    def train(
        self, weights: float, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[float, float]:
        score = weights + float(hyperparameters["lr"]) * (until - step)
        return score, score


def experiment(algorithm: str) -> PopulationExperiment:
    """Enough trials that models are fitted."""
    # Hyperband and BOHB count their trials themselves.
    size = {} if algorithm in ("hyperband", "bohb") else {"size": 12}
    spec = {
        "objective": {"metric": "score", "goal": "maximize"},
        "parameters": [{"name": "lr", "float": {"min": 0.001, "max": 1, "scale": "log"}}],
        "algorithm": {algorithm: {}},
        "population": {"parallelism": 4, "seed": 1, **size},
        "schedule": {"interval": 1, "maxSteps": STEPS},
        "worker": {"template": {"spec": {"containers": [{"name": "worker", "image": "none"}]}}},
    }
    return PopulationExperiment.model_validate({"metadata": {"name": "check"}, "spec": spec})


def main() -> None:
    for module in pkgutil.walk_packages(population_operator.__path__, "population_operator."):
        importlib.import_module(module.name)
    for algorithm in ALGORITHMS:
        state, _ = simulate(experiment(algorithm), Climb())
        assert state.phase is Phase.COMPLETE, f"{algorithm} ended {state.phase}"


if __name__ == "__main__":
    main()
