"""`/livez`, `/readyz` and `/metrics`: served from the start, by the leader and by who waits."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from population_operator.app.operator.controller import Controller
from population_operator.app.operator.metrics import workers_by_state
from population_operator.model.entry import Phase

LONGEST_RECONCILE = 120.0
"""Seconds: one that takes longer hangs, and the process is better started again."""


@dataclass
class Health:
    """What the probes look at; `controller` is none while this replica waits for the lease."""

    controller: Controller | None = None

    def live(self) -> str | None:
        """Why this process should be restarted; none where all is well.

        That this is answered at all shows that the event loop turns. Not "the last success": that
        would end idle and waiting replicas, and all of them while the API server is away.
        """
        if self.controller is None:
            return None
        now = time.monotonic()
        for name, since in self.controller.started.items():
            if now - since > LONGEST_RECONCILE:
                return f"{name} has been reconciled for {now - since:.0f} s"
        return None

    def ready(self) -> str | None:
        """Why no work is done; none where it is, and also for a replica that waits."""
        if self.controller is not None and not self.controller.synced:
            return "caches are not synced"
        return None


class OperatorMetrics(Collector):
    """Numbers about the operator itself, read when they are asked for."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> list[Metric]:
        controller = self._health.controller
        leader = GaugeMetricFamily(
            "population_operator_leader",
            "1 for the replica that works.",
            int(controller is not None),
        )
        if controller is None:
            return [leader]
        return [leader, *_gauges(controller), *_counters(controller), *_measured(controller)]


def _gauges(controller: Controller) -> list[Metric]:
    states = list(controller.reconciler.states.values())
    phases = GaugeMetricFamily(
        "population_operator_experiments", "Experiments by phase.", labels=["phase"]
    )
    for phase in Phase:
        phases.add_metric([phase], sum(state.phase is phase for state in states))
    workers = GaugeMetricFamily(
        "population_operator_workers", "Workers that should run, by state.", labels=["state"]
    )
    for name, number in workers_by_state(states).items():
        workers.add_metric([name], number)
    depth = GaugeMetricFamily(
        "population_operator_queue_depth", "Keys waiting.", len(controller.queue)
    )
    now = time.monotonic()
    longest = GaugeMetricFamily(
        "population_operator_longest_reconcile_seconds",
        "Age of the oldest pass that still runs.",
        max((now - since for since in controller.started.values()), default=0.0),
    )
    return [phases, workers, depth, longest]


def _counters(controller: Controller) -> list[Metric]:
    values = (
        ("reconciles", "Passes of the loop.", controller.reconciles),
        ("failures", "Passes that failed.", controller.failures),
        ("api_requests", "API requests.", controller.client.requests),
        ("view_writes", "Writes of views.", controller.views.writes),
    )
    errors = CounterMetricFamily(
        "population_operator_api_errors",
        "API requests that were refused (by status code) or not answered.",
        labels=["code"],
    )
    for code, number in sorted(controller.client.errors.items()):
        errors.add_metric([code], number)
    return [errors, *(CounterMetricFamily(f"population_operator_{n}", d, v) for n, d, v in values)]


def _measured(controller: Controller) -> list[Metric]:
    return list(controller.metrics.registry.collect())


async def serve(health: Health, host: str, port: int) -> web.AppRunner:
    """Start serving; `cleanup()` of what is returned ends it."""
    registry = CollectorRegistry()
    registry.register(OperatorMetrics(health))

    async def livez(request: web.Request) -> web.Response:
        return _answer(health.live())

    async def readyz(request: web.Request) -> web.Response:
        return _answer(health.ready())

    async def metrics(request: web.Request) -> web.Response:
        text = exposition.generate_latest(registry)
        return web.Response(body=text, headers={"Content-Type": exposition.CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes(
        [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _answer(problem: str | None) -> web.Response:
    if problem is None:
        return web.Response(text="ok\n")
    return web.Response(status=503, text=f"{problem}\n")
