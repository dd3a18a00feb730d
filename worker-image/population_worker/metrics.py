"""The metrics port: one scrape shows one immutable snapshot, and names the member."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, ClassVar, Literal, TypeAlias

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    REGISTRY,
    CollectorRegistry,
    Metric,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from population_worker.serving import Handler, Server
from population_worker.wire import Value

Activity: TypeAlias = Literal["train", "wait", "save", "restore"]
Transfer: TypeAlias = Literal["save", "copy", "restore"]


@dataclass(frozen=True)
class Snapshot:
    """What one scrape shows. None is what there is none of yet; the sums are the member's."""

    experiment: str
    member: str = ""
    directive: int | None = None
    report_step: int | None = None
    report_score: float | None = None
    checkpoint_step: int | None = None
    waiting: bool = True
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)


class Telemetry:
    """The current snapshot; replaced as a whole, so that a reader needs no lock."""

    def __init__(self, experiment: str) -> None:
        self._lock = threading.Lock()
        self.snapshot = Snapshot(experiment)

    def turn_to(self, member: str) -> None:
        """Start afresh for another member; go on for the same."""
        with self._lock:
            if member != self.snapshot.member:
                self.snapshot = Snapshot(self.snapshot.experiment, member)

    def turn_back(self, step: int) -> None:
        """Forget a report from beyond this step: its weights are thrown away."""
        with self._lock:
            if (self.snapshot.report_step or 0) > step:
                self.snapshot = replace(self.snapshot, report_step=None, report_score=None)

    def update(self, **changes: Any) -> None:
        """Replace fields of the snapshot, all at once."""
        with self._lock:
            self.snapshot = replace(self.snapshot, **changes)

    def transferred(self, transfer: Transfer, count: int) -> None:
        """Add `count` bytes."""
        with self._lock:
            total = self.snapshot.bytes.get(transfer, 0) + count
            self.snapshot = replace(self.snapshot, bytes={**self.snapshot.bytes, transfer: total})


class SnapshotCollector(Collector):
    """The worker's own families, and those the program registers, under the member's labels."""

    def __init__(self, telemetry: Telemetry, program: CollectorRegistry) -> None:
        self._telemetry = telemetry
        self._program = program

    def collect(self) -> Iterator[Metric]:
        """Yield what one scrape shows."""
        snapshot = self._telemetry.snapshot
        labels = {"experiment": snapshot.experiment, "member": snapshot.member}
        for metric in [*_families(snapshot), *self._program.collect()]:
            metric.samples = [
                sample._replace(labels={**labels, **sample.labels}) for sample in metric.samples
            ]
            yield metric


def _families(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield the contract's families, not yet labelled with experiment and member."""
    for name, help_text, value in (
        ("report_step", "Step of the last report.", snapshot.report_step),
        ("report_score", "Score of the last report.", snapshot.report_score),
        ("directive_id", "Directive that is trained.", snapshot.directive),
        ("checkpoint_step", "Step of the last checkpoint.", snapshot.checkpoint_step),
        ("waiting", "1 while waiting for a directive.", int(snapshot.waiting)),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"population_{name}", help_text, value=value)
    yield from _hyperparameters(snapshot.hyperparameters)
    yield _by_label(GaugeMetricFamily, "metric", "Given with a report.", "name", snapshot.metrics)
    yield _by_label(
        CounterMetricFamily, "seconds", "Time by activity.", "activity", snapshot.seconds
    )
    yield _by_label(
        CounterMetricFamily, "checkpoint_bytes", "Bytes moved.", "activity", snapshot.bytes
    )


def _hyperparameters(values: Mapping[str, Value]) -> Iterator[Metric]:
    numbers = {name: float(value) for name, value in values.items() if not isinstance(value, str)}
    yield _by_label(GaugeMetricFamily, "hyperparameter", "As applied.", "name", numbers)
    info = GaugeMetricFamily(
        "population_hyperparameter_info", "As applied, text.", labels=("name", "value")
    )
    for name, value in values.items():
        if isinstance(value, str):
            info.add_metric((name, value), 1)
    yield info


def _by_label(
    family: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    help_text: str,
    label: str,
    values: Mapping[str, float],
) -> Metric:
    metric = family(f"population_{name}", help_text, labels=(label,))
    for key, value in values.items():
        metric.add_metric((key,), value)
    return metric


def serve_metrics(host: str, port: int, telemetry: Telemetry) -> Server:
    """Start to serve `/metrics`; raises OSError where the port is taken."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(telemetry, REGISTRY))
    return Server(host, port, type("MetricsHandler", (_MetricsHandler,), {"registry": registry}))


class _MetricsHandler(Handler):
    registry: ClassVar[CollectorRegistry]

    def do_GET(self) -> None:  # noqa: N802
        if self.path.partition("?")[0] != "/metrics":
            self.respond(HTTPStatus.NOT_FOUND, b"only /metrics is served\n", "text/plain")
            return
        text = generate_latest(self.registry)
        self.respond(HTTPStatus.OK, text, CONTENT_TYPE_PLAIN_0_0_4)
