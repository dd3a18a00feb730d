"""Which algorithm the block in a manifest means. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from population_operator.algorithms.asha import AsynchronousHalving
from population_operator.algorithms.base import Algorithm
from population_operator.algorithms.bayesian import BayesianOptimisation
from population_operator.algorithms.bohb import Bohb
from population_operator.algorithms.fabolas import Fabolas
from population_operator.algorithms.grid_search import GridSearch
from population_operator.algorithms.hyperband import Hyperband
from population_operator.algorithms.pb2 import PopulationBasedBandits
from population_operator.algorithms.pbt import PopulationBasedTraining
from population_operator.algorithms.random_search import RandomSearch
from population_operator.algorithms.successive_halving import SynchronousHalving
from population_operator.algorithms.tpe import TreeParzen
from population_operator.api import PopulationExperiment

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        "pbt": PopulationBasedTraining(),
        "pb2": PopulationBasedBandits(),
        "random": RandomSearch(),
        "successiveHalving": SynchronousHalving(),
        "hyperband": Hyperband(),
        "asha": AsynchronousHalving(),
        "bohb": Bohb(),
        "fabolas": Fabolas(),
        "grid": GridSearch(),
        "bayesian": BayesianOptimisation(),
        "tpe": TreeParzen(),
    }
)
"""By the name of the block under `spec.algorithm`. They keep nothing, so one of each is enough."""


class UnknownAlgorithm(ValueError):
    """No algorithm has this name."""


def algorithm_of(experiment: PopulationExperiment) -> Algorithm:
    """The algorithm that the manifest names."""
    return algorithm_named(experiment.spec.algorithm.name)


def algorithm_named(name: str) -> Algorithm:
    """The algorithm whose block has this name.

    Raises:
      UnknownAlgorithm: there is none. The API refuses such a block, so this is a kind that is newer
        than the program that reads it.
    """
    try:
        return ALGORITHMS[name]
    except KeyError:
        known = ", ".join(sorted(ALGORITHMS))
        raise UnknownAlgorithm(
            f"spec.algorithm.{name}: no such algorithm; write one of: {known}"
        ) from None
