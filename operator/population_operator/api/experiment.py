"""The kind `PopulationExperiment`: everything that a user says about a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from population_operator.api.algorithm import Algorithm
from population_operator.api.base import ApiModel, Cel, rule
from population_operator.api.parameters import MAX_PARAMETERS, Parameter, Value
from population_operator.api.pod import MAP_BY_NAME
from population_operator.api.problems import Problem, nearest, shown
from population_operator.api.scalars import LABEL, PATTERNS, TEXT, WHOLE, Flag, Text
from population_operator.api.sections import (
    INT32,
    MAX_SIZE,
    DeletionPolicy,
    Goal,
    LocalWorker,
    Objective,
    Population,
    Schedule,
    Storage,
    Worker,
)
from population_operator.api.space import (
    CONDITIONS_CEL,
    condition_problems,
    initial_problems,
    name_problems,
    typed_initial,
)
from population_operator.api.transitions import TRANSITIONS
from population_operator.api.trial_rules import TRIALS_CEL, trials_problems
from population_operator.api.values import Entry

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "VERSION",
    "DeletionPolicy",
    "ExperimentSpec",
    "Goal",
    "LocalWorker",
    "Metadata",
    "Objective",
    "Population",
    "PopulationExperiment",
    "Schedule",
    "Storage",
    "Worker",
]

GROUP = "population-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "PopulationExperiment"
MAX_NAME = 40
"""Names of Pods and Secrets begin with the experiment's, and must stay within 63."""


class ExperimentSpec(ApiModel):
    """What to tune, how, on what, and for how long."""

    objective: Annotated[Objective, Field(examples=["{metric: validation_accuracy}"])]
    """What is compared."""
    parameters: Annotated[
        tuple[Parameter, ...],
        Field(
            min_length=1,
            max_length=MAX_PARAMETERS,
            examples=["[{name: lr, float: {min: 1.0e-4, max: 1.0, scale: log}}]"],
            json_schema_extra=MAP_BY_NAME,
        ),
    ]
    """The search space."""
    algorithm: Annotated[Algorithm, Field(examples=["{pbt: {}}"])]
    """How it is searched."""
    initial: Annotated[tuple[Entry, ...], Field(max_length=MAX_SIZE)] = ()
    """Known good starts; the other members are drawn."""
    population: Annotated[Population, Field(examples=["{size: 8}"])]
    """How many train."""
    schedule: Annotated[Schedule, Field(examples=["{interval: 100, maxSteps: 2000}"])]
    """When decisions are taken, and when the run ends."""
    worker: Worker = Worker()
    """What trains."""
    storage: Storage | None = None
    """Where checkpoints are; without it a run on Kubernetes has none to share."""
    suspend: Flag = False
    """Stop all workers, and keep everything; the annotation `population-operator.io/suspend-reason`
    says why."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=INT32), WHOLE] | None = None
    """Delete the experiment this long after it has ended; never without it."""

    @field_validator("initial")
    @classmethod
    def _typed(
        cls, entries: tuple[dict[str, Value], ...], info: ValidationInfo
    ) -> tuple[dict[str, Value], ...]:
        return typed_initial(info.data.get("parameters", ()), entries)

    @rule()
    def _names(self) -> Iterator[Problem]:
        yield from name_problems(self.parameters)

    @rule(*CONDITIONS_CEL)
    def _conditions(self) -> Iterator[Problem]:
        yield from condition_problems(self.parameters)

    @rule(
        Cel(
            "!has(self.initial) || !has(self.population.size) || "
            "self.initial.size() <= self.population.size",
            "has more entries than population.size: raise the size, or drop some",
            "initial",
        )
    )
    def _room(self) -> Iterator[Problem]:
        count, size = len(self.initial), self.population.size
        if size and count > size:
            message = f"has {count} entries for a population of {size}"
            yield Problem("initial", f"{message}: raise population.size, or drop some")

    @rule()
    def _starts(self) -> Iterator[Problem]:
        yield from initial_problems(self.parameters, self.initial)

    @rule(
        Cel(
            "!has(self.population.size) || self.population.size >= 2 || "
            "!(has(self.algorithm.pbt) || has(self.algorithm.pb2))",
            "pbt and pb2 need at least 2 members: raise it, or use `algorithm: {random: {}}`",
            "population.size",
        )
    )
    def _others(self) -> Iterator[Problem]:
        size, algorithm = self.population.size, self.algorithm
        if size and size < 2 and (algorithm.pbt is not None or algorithm.pb2 is not None):
            message = f"{algorithm.name} needs at least 2 members, got {size}"
            yield Problem("population.size", f"{message}: or use `algorithm: {{random: {{}}}}`")

    @rule(*TRIALS_CEL)
    def _trials(self) -> Iterator[Problem]:
        yield from trials_problems(self)


SERVER_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
    }
)
"""What the API server keeps in metadata and the core has no use for."""

Name = Annotated[str, Field(min_length=1, examples=["digits"]), TEXT]


class Metadata(ApiModel):
    """The part of an object's metadata that the core reads."""

    name: Name
    namespace: Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL), TEXT] = "default"
    uid: Text = ""
    labels: Annotated[dict[str, Text], Field(default_factory=dict)]
    annotations: Annotated[dict[str, Text], Field(default_factory=dict)]

    @model_validator(mode="before")
    @classmethod
    def _without_bookkeeping(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if key not in SERVER_METADATA}
        return data

    @rule()
    def _short_label(self) -> Iterator[Problem]:
        if len(self.name) > MAX_NAME:
            reason = "names of Pods begin with it"
            yield Problem(
                "name", f"must have at most {MAX_NAME} characters, got {len(self.name)}: {reason}"
            )
        if not re.fullmatch(LABEL, self.name):
            yield Problem("name", f"{PATTERNS[LABEL]}, got {shown(self.name)}{_label(self.name)}")


def _label(name: str) -> str:
    """A label that is near to `name`."""
    near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f": write `{near}`?" if near else ""


NAME_CEL = (
    Cel(
        f"self.metadata.name.size() <= {MAX_NAME}",
        f"must have at most {MAX_NAME} characters: names of Pods begin with it",
        "metadata.name",
    ),
    Cel(
        f"self.metadata.name.matches('{LABEL}')",
        f"{PATTERNS[LABEL]}, without dots",
        "metadata.name",
    ),
)


class PopulationExperiment(ApiModel):
    """One experiment, as read from a manifest or from the API server. Its status is not read."""

    api_version: Annotated[Text, Field(examples=[API_VERSION])] = API_VERSION
    kind: Annotated[Text, Field(examples=[KIND])] = KIND
    metadata: Annotated[Metadata, Field(examples=["{name: digits}"])]
    spec: Annotated[ExperimentSpec, Field(examples=["{objective: ...}"])]

    cel = (*NAME_CEL, *TRANSITIONS)

    @model_validator(mode="before")
    @classmethod
    def _without_status(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if key != "status"}
        return data

    @rule()
    def _known_kind(self) -> Iterator[Problem]:
        if self.kind != KIND:
            hint = ": mind the spelling" if nearest(self.kind, [KIND]) else ""
            yield Problem("kind", f"must be {KIND}, got {shown(self.kind)}{hint}")
        if self.api_version != API_VERSION:
            yield Problem("apiVersion", f"must be {API_VERSION}, got {shown(self.api_version)}")
