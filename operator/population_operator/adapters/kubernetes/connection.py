"""How to speak to one Pod: by the worker's contract, or by its metrics where that is all it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import aiohttp

from population_operator.adapters.kubernetes.manifests import CONTROL_PORT, METRICS_PORT
from population_operator.adapters.worker.credentials import Credentials
from population_operator.adapters.worker.link import Address, WorkerLink
from population_operator.adapters.worker.scrape import SCRAPE_SECONDS, Reading, Scraper, scrape
from population_operator.core.conditions import Problem
from population_operator.core.desired import DesiredWorker
from population_operator.core.observation import PresentWorker, WorkerEvent
from population_operator.model.decision import Directive

PATIENCE = 4.0
"""Seconds that a running Pod has to open its `control` port before its metrics are tried."""


@dataclass
class Connection:
    """Tries the contract first. `warm` turns false once only metrics were found.

    Whether a worker that has spoken before is `warm` is known, and not tried again.
    """

    session: aiohttp.ClientSession
    host: str
    credentials: Credentials
    metric: str
    worker: DesiredWorker
    wake: Callable[[], None]
    warm: bool = True
    _found: str = ""
    _speaker: WorkerLink | Scraper = field(init=False)
    _probe: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        address = Address(
            f"https://{_bracketed(self.host)}:{CONTROL_PORT}",
            self.credentials.token,
            self.credentials.fingerprint,
        )
        self._speaker = WorkerLink(
            self.session,
            address,
            self.worker.worker,
            self.worker.incarnation,
            self.wake,
            cursor=self.worker.cursor,
        )

    def start(self) -> None:
        self._speaker.start()
        if self.worker.cursor and self.warm:
            return
        self._probe = asyncio.get_running_loop().create_task(self._look_for_metrics())

    @property
    def events(self) -> list[WorkerEvent]:
        return self._speaker.events

    def send(self, directive: Directive) -> None:
        self._speaker.send(directive)

    def prune(self, cursor: int) -> None:
        self._speaker.prune(cursor)

    @property
    def problem(self) -> Problem | None:
        """Why what it answers is of no use."""
        who, said = self.worker.worker, self._speaker.complaint
        if said and isinstance(self._speaker, WorkerLink):
            return Problem("AnswerRefused", f"{who}: {said}")
        said = said or self._found
        return Problem("MetricMissing", f"{who}: {said}") if said else None

    @property
    def answered(self) -> bool:
        """Whether it has answered us."""
        return self._speaker.answered_at > 0.0

    def heard(self, it: PresentWorker, now: float) -> PresentWorker:
        """The worker that its Pod shows, with what it answers."""
        return replace(
            it,
            silent_for=self._speaker.silent_for(now),
            warm=self.warm,
            refusal=self._speaker.refusal,
            answered=self.answered,
        )

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
        await self._speaker.close()

    async def _look_for_metrics(self) -> None:
        url = f"http://{_bracketed(self.host)}:{METRICS_PORT}"
        directive = self.worker.directive
        wait, pause = (PATIENCE, PATIENCE) if self.warm else (0.0, SCRAPE_SECONDS)
        while directive is not None:
            await asyncio.sleep(wait)
            wait = pause
            if self._speaker.answered_at:
                self._complain("")
                return
            found = await scrape(self.session, url, self.metric)
            self._complain(found if isinstance(found, str) else "")
            if not isinstance(found, Reading) or self._speaker.answered_at:
                continue
            await self._speaker.close()
            self._speaker = Scraper(
                self.session,
                url,
                self.worker.worker,
                self.worker.incarnation,
                directive,
                self.metric,
                self.wake,
                cursor=self.worker.cursor,
            )
            self._speaker.start()
            self.warm = False
            self.wake()
            return

    def _complain(self, found: str) -> None:
        if found != self._found:
            self._found = found
            self.wake()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
