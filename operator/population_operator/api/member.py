"""The kind `PopulationMember`: one member of a population, for people to look at."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from population_operator.api.base import ApiModel, Cel
from population_operator.api.scalars import WHOLE, Label, Text
from population_operator.api.status import Count, Values

Score = Annotated[
    float | str,
    WithJsonSchema(
        {
            "x-kubernetes-preserve-unknown-fields": True,
            "description": "A number, or one of `nan`, `inf`, `-inf`, which are none in JSON.",
        }
    ),
]


class MemberSpec(ApiModel):
    """Whose member it is. A user changes nothing here."""

    experiment: Label
    """The experiment's name."""
    member: Label
    """The member's name within the experiment."""

    cel = (Cel("self == oldSelf", "a member's spec is fixed"),)


class MemberShown(ApiModel):
    """What `kubectl get` prints: rounded, for people. Programs read the fields beside it."""

    score: Text = ""
    hyperparameters: Text = ""
    """In the order of the manifest: `lr 0.0104, batch_size 64`."""


class MemberStatus(ApiModel):
    """Where the member stands."""

    phase: Text = ""
    step: Count | None = None
    score: Score | None = None
    parent: Text = ""
    """The member whose weights it last copied, and from which step: `m3@400`."""
    worker: Text = ""
    """The worker that trains it, where it is on one."""
    baseline: bool = False
    bracket: Count | None = None
    """Of a trial: the bracket that it is in."""
    rung: Count | None = None
    """Of a trial: the rung of the bracket that it is on, or was."""
    decisions: Count = 0
    restarts: Count = 0
    directive: Annotated[int, Field(ge=0), WHOLE] | None = None
    hyperparameters: Annotated[Values, Field(default_factory=dict)]
    checkpoint: Text = ""
    """Its newest good checkpoint: a URI."""
    observed_generation: Count | None = None
    shown: MemberShown | None = None
