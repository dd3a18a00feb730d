"""A report: what a member scored at a step. It stands in the checkpoint's manifest, too."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import SupportsFloat, SupportsIndex

from population_worker import wire
from population_worker.directive import CheckpointRef, parse_hyperparameters, parse_member
from population_worker.wire import InvalidMessage, Value


@dataclass(frozen=True)
class Measurement:
    """What the program says about a step: plain numbers, whatever it was called with."""

    step: int
    score: float
    samples: tuple[float, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A measurement of one member under one directive, and what it was made with.

    `hyperparameters` is the echo: what is really in use. `seconds` are those since the last
    report by activity; saving counts until the manifest is written. A score may be nan or inf.
    """

    directive: int
    member: str
    measurement: Measurement
    hyperparameters: Mapping[str, Value]
    checkpoint: bool
    seconds: Mapping[str, float]

    @property
    def step(self) -> int:
        """The step that was measured."""
        return self.measurement.step

    @property
    def reference(self) -> CheckpointRef:
        """The checkpoint that holds the state that was measured."""
        return CheckpointRef(self.member, self.directive, self.step)

    def to_json(self) -> dict[str, object]:
        """Return the report as the contract writes it."""
        measured = self.measurement
        return {
            "directive": self.directive,
            "member": self.member,
            "step": measured.step,
            "score": wire.encode(measured.score),
            "samples": [wire.encode(sample) for sample in measured.samples],
            "metrics": _encoded(measured.metrics),
            "hyperparameters": _encoded(self.hyperparameters),
            "checkpoint": self.checkpoint,
            "seconds": {name: round(value, 6) for name, value in self.seconds.items()},
        }


def measure(
    step: SupportsIndex,
    score: SupportsFloat,
    samples: Iterable[SupportsFloat],
    metrics: Mapping[str, SupportsFloat],
) -> Measurement:
    """Turn numbers of any library into Python's; raises TypeError that names the bad one."""
    return Measurement(
        step=_as_index(step),
        score=_as_float(score, "score"),
        samples=tuple(_as_float(item, f"samples[{i}]") for i, item in enumerate(samples)),
        metrics={name: _as_float(value, name) for name, value in metrics.items()},
    )


def parse_report(value: object, path: str) -> Report:
    """Read a report back from a manifest; raises `InvalidMessage`."""
    body = wire.fields(value, path)
    samples = wire.items(body.get("samples"), f"{path}.samples")
    return Report(
        directive=wire.integer(body.get("directive"), f"{path}.directive"),
        member=parse_member(body.get("member"), f"{path}.member"),
        measurement=Measurement(
            step=wire.integer(body.get("step"), f"{path}.step"),
            score=float(wire.number(body.get("score"), f"{path}.score")),
            samples=tuple(float(wire.number(item, f"{path}.samples")) for item in samples),
            metrics=_numbers(body.get("metrics"), f"{path}.metrics"),
        ),
        hyperparameters=parse_hyperparameters(
            body.get("hyperparameters"), f"{path}.hyperparameters"
        ),
        checkpoint=_boolean(body.get("checkpoint"), f"{path}.checkpoint"),
        seconds=_numbers(body.get("seconds"), f"{path}.seconds"),
    )


def _as_index(step: SupportsIndex) -> int:
    try:
        index = operator.index(step)
    except TypeError:
        raise TypeError(f"step: expected an integer, got {step!r}") from None
    if index < 0:
        raise ValueError(f"step: {index} is negative")
    return index


def _as_float(value: SupportsFloat, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: expected a number, got {value!r}") from error


def _encoded(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: wire.encode(value) for name, value in values.items()}


def _numbers(value: object, path: str) -> dict[str, float]:
    return {
        name: float(wire.number(item, f"{path}.{name}"))
        for name, item in wire.fields(value, path).items()
    }


def _boolean(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidMessage(f"{path}: expected true or false")
    return value
