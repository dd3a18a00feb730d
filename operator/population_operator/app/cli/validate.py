"""`population validate`: what is wrong with a manifest, or what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from population_operator.algorithms.base import Bandit
from population_operator.algorithms.registry import algorithm_of
from population_operator.api import (
    CategoricalDomain,
    ExperimentSpec,
    Parameter,
    PopulationExperiment,
    Scale,
    parse,
)
from population_operator.api.experiment import Schedule
from population_operator.api.problems import ManifestError
from population_operator.api.scalars import spelled
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
    members, workers = spec.population.members, spec.population.workers
    algorithm = algorithm_of(experiment)
    if isinstance(algorithm, Bandit):
        trials, rungs = algorithm.plan(experiment)
        size, training = _trials(trials, spec.schedule), _to_the_end_of(rungs, spec.schedule)
    else:
        trials, size = members, words.plural(members, "member")
        training = _in_intervals(spec)
    if workers != trials:
        size += f" on {words.plural(workers, 'worker')}"
    return (
        f"{experiment.metadata.name}: {spec.objective.goal} {spec.objective.metric} "
        f"by {spec.algorithm.name}, {size}, {training}; "
        f"{', '.join(_parameter(parameter) for parameter in spec.parameters)}"
    )


def _trials(count: int | None, schedule: Schedule) -> str:
    if count is None and schedule.max_duration is not None:
        return f"as many trials as {spelled(schedule.max_duration)} allows"
    return words.plural(count or 0, "trial")


def _to_the_end_of(rungs: tuple[int, ...], schedule: Schedule) -> str:
    if len(rungs) > 1:
        return f"rungs at {', '.join(map(str, rungs))} steps"
    reports = "" if rungs else f", with a report every {schedule.interval}"
    return f"each trained for {words.plural(schedule.max_steps, 'step')}{reports}"


def _in_intervals(spec: ExperimentSpec) -> str:
    """Random search compares nothing, so there is nothing to decide."""
    what = "a report" if spec.algorithm.random is not None else "a decision"
    schedule = spec.schedule
    mode = "synchronous" if schedule.synchronous else "asynchronous"
    return f"{what} every {schedule.interval} of {schedule.max_steps} steps ({mode})"


def _parameter(parameter: Parameter) -> str:
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return f"{parameter.name} {{{', '.join(domain.values)}}}"
    scale = " log" if domain.scale is Scale.LOG else ""
    return f"{parameter.name} [{domain.min:g}, {domain.max:g}]{scale}"
