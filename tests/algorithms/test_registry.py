"""The names of the manifest's blocks."""

from __future__ import annotations

import pytest

from population_operator.algorithms.pbt import PopulationBasedTraining
from population_operator.algorithms.random_search import RandomSearch
from population_operator.algorithms.registry import (
    ALGORITHMS,
    UnknownAlgorithm,
    algorithm_named,
    algorithm_of,
)
from population_operator.api import Algorithm
from tests.builders import an_experiment


def test_each_block_of_the_manifest_has_its_algorithm() -> None:
    assert isinstance(algorithm_of(an_experiment().build()), PopulationBasedTraining)
    assert isinstance(algorithm_of(an_experiment().random_search().build()), RandomSearch)
    assert set(ALGORITHMS) == {info.alias for info in Algorithm.model_fields.values()}


def test_an_unknown_name_says_what_to_write_instead() -> None:
    with pytest.raises(UnknownAlgorithm) as caught:
        algorithm_named("annealing")
    message = "spec.algorithm.annealing: no such algorithm; write one of: "
    assert str(caught.value) == message + ", ".join(sorted(ALGORITHMS))
