"""The sections of an experiment's spec, apart from the search space and the algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from population_operator.api.base import ApiModel, Cel, not_only_one, only_one, rule
from population_operator.api.pod import ClaimTemplate, Like, PodTemplate
from population_operator.api.problems import Problem
from population_operator.api.scalars import (
    LIMIT,
    SUBDOMAIN,
    TEXT,
    WHOLE,
    Duration,
    Flag,
    MetricName,
    Real,
)

MAX_SIZE = 1000
INT32 = 2**31 - 1


class Goal(StrEnum):
    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Objective(ApiModel):
    """What makes one member better than another; `report` is shown, but never selected on."""

    metric: Annotated[MetricName, Field(examples=["validation_accuracy"])]
    """The metric that is compared, as Prometheus names it."""
    goal: Goal = Goal.MAXIMIZE
    """Which end of it is good."""
    target: Real | None = None
    """The run is complete once a member reaches it."""
    report: Annotated[
        tuple[MetricName, ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """Other metrics to show beside it."""

    @rule()
    def _distinct(self) -> Iterator[Problem]:
        for index, name in enumerate(self.report):
            if name in self.report[:index]:
                yield Problem(f"report[{index}]", f"repeats `{name}`: give each metric once")


class Population(ApiModel):
    """How many members, how many of them train at once, and how many never change.

    `baselines` are compared and copied like the others, but never changed: does tuning pay?
    """

    size: Annotated[int, Field(ge=1, le=MAX_SIZE, examples=["8"]), WHOLE] | None = None
    """How many members: at most so many trials, where the algorithm's brackets say how many."""
    parallelism: Annotated[int, Field(ge=1, le=MAX_SIZE), WHOLE] | None = None
    """How many workers; one for each member without it."""
    seed: Annotated[int, Field(ge=0, le=LIMIT), WHOLE] | None = None
    """Of all random choices; the experiment's uid without it."""
    baselines: Annotated[int, Field(ge=0, le=MAX_SIZE), WHOLE] = 0
    """How many members are never changed."""

    @property
    def workers(self) -> int:
        """Workers at once: `parallelism`, or one for each member."""
        return self.parallelism or self.size or 1

    @property
    def members(self) -> int:
        """How many members there are where every one is there from the start."""
        return self.size or 0

    @rule(
        Cel(
            "!has(self.parallelism) || !has(self.size) || self.parallelism <= self.size",
            "must be at most size: each member trains on one worker",
            "parallelism",
        )
    )
    def _workers(self) -> Iterator[Problem]:
        if self.parallelism and self.size and self.parallelism > self.size:
            message = f"must be at most size ({self.size}), got {self.parallelism}"
            yield Problem("parallelism", f"{message}: each member trains on one worker")

    @rule(
        Cel(
            "!has(self.baselines) || !has(self.size) || self.baselines < self.size",
            "must be below size: at least one member must be free to change",
            "baselines",
        )
    )
    def _free(self) -> Iterator[Problem]:
        if self.size and self.baselines >= self.size:
            message = f"must be below size ({self.size}), got {self.baselines}"
            yield Problem("baselines", f"{message}: at least one member must be free to change")


class Schedule(ApiModel):
    """When decisions are taken, and when the run ends. Steps are the worker's own unit."""

    interval: Annotated[int, Field(ge=1, le=LIMIT, examples=["100"]), WHOLE]
    """Steps between two decisions."""
    max_steps: Annotated[int, Field(ge=1, le=LIMIT, examples=["2000"]), WHOLE]
    """Steps after which a member is done."""
    synchronous: Flag = False
    """Whether members wait for each other at each interval."""
    straggler_timeout: Duration | None = None
    """How long a member may go without a report before it is restarted: `10m`, `1.5h`, `1m30s`."""
    max_duration: Duration | None = None
    """How long the whole run may take, without the time suspended: `6h`, `1.5h`, `1h30m`."""

    @rule(
        Cel(
            "self.interval <= self.maxSteps",
            "must be at most maxSteps, or no decision is ever taken",
            "interval",
        )
    )
    def _decides(self) -> Iterator[Problem]:
        if self.interval > self.max_steps:
            message = f"must be at most maxSteps ({self.max_steps}), got {self.interval}"
            yield Problem("interval", f"{message}: no decision would ever be taken")

    cel = tuple(
        Cel(
            f"!has(self.{field}) || (duration(self.{field}) > duration('0s') && "
            f"duration(self.{field}) <= duration('87600h'))",
            "must be longer than nothing and at most 87600h (ten years)",
            field,
        )
        for field in ("stragglerTimeout", "maxDuration")
    )


Word = Annotated[str, Field(max_length=32768), TEXT]


class LocalWorker(ApiModel):
    """What the embedded runtime starts; `env` is added to the environment it inherits."""

    command: Annotated[tuple[Word, ...], Field(max_length=1024)] = ()
    """The program and its arguments."""
    env: Annotated[dict[str, Word], Field(max_length=1024, default_factory=dict)]
    """Variables that are set besides the inherited ones; `OMP_NUM_THREADS` is cores / workers where
    neither has it."""

    @rule(
        Cel(
            "!has(self.command) || self.command.size() == 0 || self.command[0] != ''",
            "must begin with the program to start",
            "command",
        )
    )
    def _program(self) -> Iterator[Problem]:
        if self.command and not self.command[0]:
            yield Problem("command[0]", "must be the program to start, got an empty string")

    @rule(
        Cel(
            "!has(self.env) || self.env.all(name, name.matches('^[-._a-zA-Z][-._a-zA-Z0-9]*$'))",
            "must be names of environment variables (letters, digits, `_`, no digit at the start)",
            "env",
        )
    )
    def _names(self) -> Iterator[Problem]:
        for name in self.env:
            plain = name.replace("-", "_").replace(".", "_")
            if not plain.isidentifier() or not plain.isascii():
                wanted = "letters, digits and `_`, no digit at the start"
                yield Problem(f"env.{name}", f"must be a variable's name ({wanted}), got {name!r}")


class Worker(ApiModel):
    """How a worker is started, and how often a member may fail before it is replaced."""

    max_restarts: Annotated[int, Field(ge=0, le=INT32), WHOLE] = 3
    """How often a member may fail before a clone of a healthy one replaces it; a trial ends."""
    template: Annotated[dict[str, Any], Like(PodTemplate)] | None = None
    """The Pod on Kubernetes."""
    local: LocalWorker | None = None
    """The process on one machine."""


class DeletionPolicy(StrEnum):
    """Whether the checkpoints are removed together with the experiment."""

    RETAIN = "Retain"
    DELETE = "Delete"


ClaimName = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN), TEXT]
CLAIMS = {"claim_name": "claimName", "claim_template": "claimTemplate"}


class Storage(ApiModel):
    """The shared volume with the checkpoints: an existing claim, or a template for one."""

    claim_name: ClaimName | None = None
    """A PersistentVolumeClaim that exists."""
    claim_template: Annotated[dict[str, Any], Like(ClaimTemplate)] | None = None
    """A PersistentVolumeClaim to make for this experiment."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What becomes of the checkpoints, or of the claim that was made, when the experiment is
    deleted."""

    @rule(only_one(CLAIMS.values(), "claim"))
    def _one_claim(self) -> Iterator[Problem]:
        yield from not_only_one(self, CLAIMS, "claim")
