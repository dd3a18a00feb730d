"""Workers that are nothing but programs with Prometheus metrics: they are scraped at an interval.

Such a program takes no directive while it runs (it is not *warm*), so each of its directives is a
new incarnation, and its reports are read off its gauges.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from population_operator.adapters.worker import answers
from population_operator.adapters.worker.link import silence
from population_operator.core.observation import SILENCE, WorkerEvent
from population_operator.model.decision import Directive
from population_operator.model.entry import Reported
from population_operator.model.report import MAX_METRICS, Report

SCRAPE_SECONDS = 2.0
METRICS_BYTES, LONG = 4 * 2**20, 100_000
"""How long metrics may be; and from where on they are parsed off the event loop."""
LINE = 20_000
"""Characters that a line may have: the parser's time grows with the square of its labels."""
SCORE, STEP = "population_report_score", "population_report_step"


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
    """What a scrape says, or why it is of no use; none where it has no step yet.

    Args:
      text: Prometheus text.
      metric: the objective; the score where there is no `population_report_score`.
    """
    try:
        values, series = _series(text)
        step = _whole(values, STEP)
        saved = _whole(values, "population_checkpoint_step")
        directive = _whole(values, "population_directive_id")
    except Exception as error:  # The parser raises whatever happens to it.
        return f"its metrics cannot be read: {type(error).__name__}: {str(error)[:200]}"
    if step is None:
        return None
    name = SCORE if SCORE in values else metric
    if series[name] > 1:
        return (
            f"its metrics have {series[name]} series of {name}, and which is the objective is not "
            f"known: export one of them as {SCORE}"
        )
    score = values.get(name)
    own = {k: v for k, v in values.items() if not k.startswith(("population_", "python_"))}
    if score is None:
        others = ", ".join(sorted(own)[:5])[:300] or "nothing else"
        return f"its metrics have no {metric}, which is objective.metric: they have {others}"
    return Reading(
        step=step,
        score=score,
        checkpoint_step=saved,
        metrics={name: own[name] for name in sorted(own)[:MAX_METRICS]},
        directive=directive,
    )


def _series(text: str) -> tuple[dict[str, float], Counter[str]]:
    """The first value of each name, and of how many series there is one."""
    if any(len(line) > LINE for line in text.split("\n")):
        raise ValueError(f"a line is longer than {LINE} characters")
    values: dict[str, float] = {}
    series: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name, float(sample.value))
            series[sample.name] += 1
    return values, series


def _whole(values: dict[str, float], name: str) -> int | None:
    """The number; none where there is none, or not yet (NaN).

    Raises:
      ValueError: it is infinite.
    """
    value = values.get(name, math.nan)
    if math.isinf(value):
        raise ValueError(f"{name} is {value}")
    return None if math.isnan(value) else int(value)


@dataclass
class Scraper:
    """Stands in for a `WorkerLink` where there is no `control` port.

    `complaint` says why the last metrics are of no use, where they are not.
    """

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
    complaint: str = ""
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
            try:
                await self._scrape()
            except Exception as error:
                answers.note(f"{self.worker}-{self.incarnation}", "scrape", error)
            await asyncio.sleep(SCRAPE_SECONDS)

    async def _scrape(self) -> None:
        reading = await scrape(self.session, self.url, self.metric)
        complaint = reading if isinstance(reading, str) else ""
        if complaint != self.complaint:
            self.complaint = complaint
            self.wake()
        if isinstance(reading, Reading):
            self.answered_at = asyncio.get_running_loop().time()
            self._take(reading)
        elif self.silent_for(asyncio.get_running_loop().time()) >= SILENCE:
            self.wake()  # All others may be waiting for this one: nobody else would.

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
        async with session.get(
            f"{url}/metrics",
            headers=answers.PLAIN,
            timeout=limit,
            allow_redirects=False,
            auto_decompress=False,
        ) as response:
            text = (await answers.body(response, METRICS_BYTES)).decode(errors="replace")
    except answers.UnusableAnswerError as error:
        return f"its metrics are not taken: {error}"
    except Exception as error:
        answers.note(url, "scrape", error)
        return None
    if len(text) > LONG:
        return await asyncio.to_thread(read, text, metric)
    return read(text, metric)
