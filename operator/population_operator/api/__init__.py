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

__all__ = [
    "Algorithm",
    "CategoricalDomain",
    "ExperimentSpec",
    "FloatDomain",
    "Goal",
    "IntegerDomain",
    "Metadata",
    "Parameter",
    "PopulationExperiment",
    "Scale",
    "Value",
    "ValueType",
]
