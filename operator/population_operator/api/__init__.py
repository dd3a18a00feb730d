"""The kinds of the API as frozen pydantic models.

The one source of the CRDs, of validation and of defaults. Nothing here knows a clock, a network
or a cluster.
"""

from population_operator.api.algorithm import Algorithm
from population_operator.api.experiment import (
    ExperimentSpec,
    Goal,
    Metadata,
    PopulationExperiment,
)
from population_operator.api.parameters import (
    CategoricalDomain,
    FloatDomain,
    IntegerDomain,
    Parameter,
    Scale,
    Value,
    ValueType,
)
from population_operator.api.parse import parse
from population_operator.api.problems import ManifestError, Problem
from population_operator.api.values import typed

__all__ = [
    "Algorithm",
    "CategoricalDomain",
    "ExperimentSpec",
    "FloatDomain",
    "Goal",
    "IntegerDomain",
    "ManifestError",
    "Metadata",
    "Parameter",
    "PopulationExperiment",
    "Problem",
    "Scale",
    "Value",
    "ValueType",
    "parse",
    "typed",
]
