"""`population validate`: what is wrong with a manifest, or what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from population_operator.api import (
    CategoricalDomain,
    Parameter,
    PopulationExperiment,
    Scale,
    parse,
)
from population_operator.api.problems import ManifestError
from population_operator.app import words
from population_operator.app.cli.errors import BAD_INPUT, COMPLETE, problem_lines
from population_operator.app.manifest import document

Check = Callable[[Any, PopulationExperiment], str]
"""Asks somebody else about a manifest that reads well; returns what there is to say of it.

Raises:
  ManifestError: it would be refused there.
"""


def validate(files: list[Path], ask: Check | None = None) -> int:
    """Check each file; all problems of all of them are told."""
    code = COMPLETE
    for file in files:
        try:
            said = document(file)
            experiment = parse(said)
            also = f"; {ask(said, experiment)}" if ask else ""
        except ManifestError as error:
            print(*problem_lines(file, error), sep="\n", file=sys.stderr)
            code = BAD_INPUT
        else:
            print(f"{file}: valid: {summary(experiment)}{also}")
    return code


def summary(experiment: PopulationExperiment) -> str:
    """What a manifest says, on one line, so that a slip of the pen shows."""
    spec = experiment.spec
    population, schedule = spec.population, spec.schedule
    size = words.plural(population.members, "trial" if spec.algorithm.trials else "member")
    if spec.algorithm.trials and population.size is None:
        size = "as many trials as it says"
    mode = " (synchronous)" if schedule.synchronous else " (asynchronous)"
    if spec.algorithm.trials:  # none of them waits for a round
        mode = ""
    if population.workers != population.members:
        size += f" on {words.plural(population.workers, 'worker')}"
    return (
        f"{experiment.metadata.name}: {spec.objective.goal} {spec.objective.metric} "
        f"by {spec.algorithm.name}, {size}, a decision every {schedule.interval} of "
        f"{schedule.max_steps} steps{mode}; "
        f"{', '.join(_parameter(parameter) for parameter in spec.parameters)}"
    )


def _parameter(parameter: Parameter) -> str:
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return f"{parameter.name} {{{', '.join(domain.values)}}}"
    scale = " log" if domain.scale is Scale.LOG else ""
    return f"{parameter.name} [{domain.min:g}, {domain.max:g}]{scale}"
