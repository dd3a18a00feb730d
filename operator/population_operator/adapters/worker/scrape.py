"""Workers that are nothing but programs with Prometheus metrics: they are scraped at an interval.

Such a program takes no directive while it runs (it is not *warm*), so each of its directives is a
new incarnation, and its reports are read off its gauges.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from population_operator.adapters.worker.link import silence
from population_operator.core.observation import SILENCE, WorkerEvent
from population_operator.model.decision import Directive
from population_operator.model.entry import Reported
from population_operator.model.report import MAX_METRICS, Report

log = logging.getLogger(__name__)

SCRAPE_SECONDS = 2.0


@dataclass(frozen=True)
class Reading:
    """One consistent scrape: the step and the score that the program exports, and the rest.

    `directive` is the one that they are of, where the program says it.
    """

    step: int
    score: float
    checkpoint_step: int | None
    metrics: dict[str, float]
    directive: int | None = None


def read(text: str, metric: str) -> Reading | str | None:
    """What a scrape says, or that it has no score; none where it has no step yet.

    Args:
      text: Prometheus text.
      metric: the objective; the score where there is no `population_report_score`.
    """
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name, float(sample.value))
    score = values.get("population_report_score", values.get(metric))
    step = values.get("population_report_step")
    if step is None:
        return None
    own = {k: v for k, v in values.items() if not k.startswith(("population_", "python_"))}
    if score is None:
        others = ", ".join(sorted(own)[:5]) or "nothing else"
        return f"its metrics have no {metric}, which is objective.metric: they have {others}"
    saved, directive = (
        values.get("population_checkpoint_step"),
        values.get("population_directive_id"),
    )
    return Reading(
        step=int(step),
        score=score,
        checkpoint_step=int(saved) if saved is not None else None,
        metrics={name: own[name] for name in sorted(own)[:MAX_METRICS]},
        directive=int(directive) if directive is not None else None,
    )


@dataclass
class Scraper:
    """Stands in for a `WorkerLink` where there is no `control` port."""

    session: aiohttp.ClientSession
    url: str
    worker: str
    incarnation: int
    directive: Directive
    metric: str
    wake: Callable[[], None]
    cursor: int = 0
    events: list[WorkerEvent] = field(default_factory=list)
    answered_at: float = 0.0
    refusal: str = ""
    _last_step: int = 0
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._last_step = self.directive.restore.step if self.directive.restore else 0
        self._task = asyncio.get_running_loop().create_task(self._scrape_on())

    def send(self, directive: Directive) -> None:
        """It takes none: the core gives it a new incarnation instead."""

    def prune(self, cursor: int) -> None:
        self.events = [event for event in self.events if event.cursor > cursor]

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _scrape_on(self) -> None:
        while True:
            reading = await scrape(self.session, self.url, self.metric)
            if isinstance(reading, Reading):
                self.answered_at = asyncio.get_running_loop().time()
                self._take(reading)
            elif self.silent_for(asyncio.get_running_loop().time()) >= SILENCE:
                self.wake()  # All others may be waiting for this one: nobody else would.
            await asyncio.sleep(SCRAPE_SECONDS)

    def silent_for(self, now: float) -> float:
        """As a link's."""
        return silence(self.answered_at, now)

    def _take(self, reading: Reading) -> None:
        if reading.step <= self._last_step or reading.directive not in (None, self.directive.id):
            return
        self._last_step = reading.step
        self.cursor += 1
        report = Report(
            directive=self.directive.id,
            member=self.directive.member,
            step=reading.step,
            score=reading.score,
            metrics=reading.metrics,
            hyperparameters=self.directive.hyperparameters,
            checkpoint=reading.checkpoint_step == reading.step,
        )
        self.events.append(
            Reported(
                worker=self.worker,
                incarnation=self.incarnation,
                cursor=self.cursor,
                report=report,
            )
        )
        self.wake()


async def scrape(session: aiohttp.ClientSession, url: str, metric: str) -> Reading | str | None:
    """One scrape, or why it is of no use; none where there is nothing (yet) to be read."""
    limit = aiohttp.ClientTimeout(total=5, connect=2)
    try:
        async with session.get(f"{url}/metrics", timeout=limit) as response:
            response.raise_for_status()
            return read(await response.text(), metric)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        log.debug("%s: %r", url, error)
        return None
