"""The kind `PopulationExperiment`: everything that a user says about a run."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from population_operator.api.algorithm import Algorithm
from population_operator.api.base import ApiModel
from population_operator.api.parameters import MAX_PARAMETERS, Parameter, Value

API_VERSION = "population-operator.io/v1alpha1"
KIND = "PopulationExperiment"


class Goal(StrEnum):
    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Objective(ApiModel):
    """What makes one member better than another."""

    metric: str
    goal: Goal = Goal.MAXIMIZE
    target: float | None = None
    report: tuple[str, ...] = ()


class Population(ApiModel):
    """How many members, how many of them train at once, and how many never change."""

    size: Annotated[int, Field(ge=1, le=1000)]
    parallelism: Annotated[int | None, Field(ge=1)] = None
    seed: Annotated[int | None, Field(ge=0)] = None
    baselines: Annotated[int, Field(ge=0)] = 0

    @property
    def workers(self) -> int:
        """Workers at once: `parallelism`, or one for each member."""
        return self.parallelism or self.size


class Schedule(ApiModel):
    """When decisions are taken, and when the run ends. Steps are the worker's own unit."""

    interval: Annotated[int, Field(ge=1)]
    max_steps: Annotated[int, Field(ge=1)]
    synchronous: bool = False
    straggler_timeout: timedelta | None = None
    max_duration: timedelta | None = None


class LocalWorker(ApiModel):
    """What the embedded runtime starts; `env` is added to the environment it inherits."""

    command: tuple[str, ...] = ()
    env: dict[str, str] = {}


class Worker(ApiModel):
    """How a worker is started, and how often a member may fail before it is replaced."""

    max_restarts: Annotated[int, Field(ge=0)] = 3
    template: dict[str, Any] | None = None
    local: LocalWorker | None = None


class DeletionPolicy(StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"


class Storage(ApiModel):
    """The shared volume with the checkpoints: an existing claim, or a template for one."""

    claim_name: str | None = None
    claim_template: dict[str, Any] | None = None
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN


class ExperimentSpec(ApiModel):
    objective: Objective
    parameters: Annotated[tuple[Parameter, ...], Field(min_length=1, max_length=MAX_PARAMETERS)]
    algorithm: Algorithm
    initial: tuple[dict[str, Value], ...] = ()
    population: Population
    schedule: Schedule
    worker: Worker = Worker()
    storage: Storage | None = None
    suspend: bool = False
    ttl_seconds_after_finished: Annotated[int | None, Field(ge=0)] = None


class Metadata(ApiModel):
    """The part of an object's metadata that the core reads."""

    name: str
    namespace: str = "default"
    uid: str = ""


class PopulationExperiment(ApiModel):
    """One experiment, as read from a manifest or from the API server."""

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: Metadata
    spec: ExperimentSpec
