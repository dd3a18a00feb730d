"""The status of an experiment: a view of its journal, of the same size however long it runs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from population_operator.api.base import ApiModel
from population_operator.api.scalars import WHOLE, Real, Text

Count = Annotated[int, Field(ge=0), WHOLE]
Time = Annotated[Text, WithJsonSchema({"type": "string", "format": "date-time"})]
Values = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""Hyperparameters, by name."""


class StatusCondition(ApiModel):
    """One aspect of the state, as `kubectl wait --for=condition=...` reads it."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    status: Annotated[str, WithJsonSchema({"type": "string", "enum": ["True", "False", "Unknown"]})]
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    message: Annotated[str, Field(max_length=32768)] = ""
    last_transition_time: Time
    observed_generation: Count | None = None


class Best(ApiModel):
    """The best checkpoint so far; of equal scores the later."""

    member: Text
    step: Count
    score: Real
    hyperparameters: Annotated[Values, Field(default_factory=dict)]
    checkpoint: Text = ""
    """Where its directory is: a URI."""
    metrics: Annotated[Values, Field(default_factory=dict)]
    """What `objective.report` names, as its worker reported it."""


class ExperimentShown(ApiModel):
    """What `kubectl get` prints: rounded, for people. Programs read the fields beside it."""

    best: Text = ""
    """The best score."""
    step: Text = ""
    """The furthest step, and that at which a run ends: `400/2000`."""


class Counts(ApiModel):
    """How much there is of everything."""

    members: Count = 0
    running: Count = 0
    """Members that are on a worker."""
    ready_workers: Count = 0
    decisions: Count = 0
    exploits: Count = 0


CONDITIONS = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}


class ExperimentStatus(ApiModel):
    """What the operator last showed of the experiment."""

    phase: Text = ""
    algorithm: Text = ""
    """The name of the block in `spec.algorithm`."""
    step: Count | None = None
    """The step of the member that is furthest."""
    observed_generation: Count | None = None
    conditions: Annotated[
        tuple[StatusCondition, ...], Field(max_length=32, json_schema_extra=CONDITIONS)
    ] = ()
    best: Best | None = None
    counts: Counts | None = None
    shown: ExperimentShown | None = None
