"""The connection to one incarnation: one listener for its events, one sender of directives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import aiohttp
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from population_operator.adapters.worker import answers
from population_operator.core.observation import SILENCE, WorkerEvent
from population_operator.model.decision import Directive
from population_operator.model.entry import Forgotten, Reported, RestoreFailed, Troubled
from population_operator.model.report import MAX_METRICS, MAX_SAMPLES

log = logging.getLogger(__name__)

WAIT_SECONDS = 10
"""How long a worker may wait with its answer where it has nothing to say: a third of `SILENCE`. Not
with the first one: whether it speaks the contract at all is to be known soon."""

FIRST_RETRY, LAST_RETRY = 0.02, 2.0
WAIT_BYTES, REFUSAL_BYTES = 64 * 2**20, 2000
"""How long an answer to a wait may be (all reports of hours without an operator, samples and all),
and what is read of a refusal."""

_EVENT: TypeAdapter[WorkerEvent] = TypeAdapter(
    Annotated[Reported | Forgotten | RestoreFailed | Troubled, Field(discriminator="kind")]
)


class _Answer(BaseModel):
    worker: str
    incarnation: int
    cursor: int
    events: list[Any]
    directive: int | None = None


@dataclass(frozen=True)
class Address:
    """Where a worker's `control` port is, and how it is known to be the right one."""

    url: str
    token: str
    fingerprint: bytes


@dataclass
class WorkerLink:
    """Listens to an incarnation from its creation to its end, and sends it its newest directive.

    Nothing here waits for the worker on behalf of somebody else: a slow or dead one costs two idle
    tasks. `wake` is called when something came in.

    Attributes:
      events: what was heard and is not known to be in the journal.
      sent: the last directive that the worker acknowledged (or was started with).
      answered_at: the loop's time of the last answer; 0 before the first.
      refusal: its answer to the newest directive, where it cannot use it.
      complaint: why an answer of its is not taken, where that is so.
    """

    session: aiohttp.ClientSession
    address: Address
    worker: str
    incarnation: int
    wake: Callable[[], None]
    cursor: int = 0
    sent: Directive | None = None
    events: list[WorkerEvent] = field(default_factory=list)
    answered_at: float = 0.0
    refusal: str = ""
    complaint: str = ""
    _known_since: float = 0.0
    _wanted: Directive | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # One object for all requests: connections are shared between equal pins only, and pins are
        # compared by identity. A new one for each request means a new handshake for each request.
        self._pin = aiohttp.Fingerprint(self.address.fingerprint)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        if self.cursor:  # It has answered an operator before us.
            self._known_since = loop.time()
        self._tasks = [
            loop.create_task(self._listen(), name=f"listen {self._name}"),
            loop.create_task(self._send(), name=f"send {self._name}"),
        ]

    def send(self, directive: Directive) -> None:
        """Make this the directive to deliver, in place of an older one that was not delivered."""
        if directive != self._wanted:
            self._wanted = directive
            self.refusal = ""
            self._changed.set()

    def prune(self, cursor: int) -> None:
        """Events up to `cursor` are in the journal."""
        if self.events and self.events[0].cursor <= cursor:
            self.events = [event for event in self.events if event.cursor > cursor]

    def silent_for(self, now: float) -> float:
        """Seconds since the last answer; 0 while it may still come, and before the first ever."""
        return silence(self.answered_at or self._known_since, now)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        retry, loop = FIRST_RETRY, asyncio.get_running_loop()
        while True:
            asked_at = loop.time()
            try:
                has_moved = self._take(await self._wait())
            except Exception as error:
                answers.note(self._name, "wait", error)
                self._complain(str(error) if isinstance(error, answers.UnusableAnswerError) else "")
                if self.silent_for(loop.time()) >= SILENCE:
                    self.wake()  # All others may be waiting for this one: nobody else would.
                await asyncio.sleep(retry)
                retry = min(retry * 1.5, LAST_RETRY)
                continue
            self._complain("")
            if has_moved or self.answered_at - asked_at >= WAIT_SECONDS / 2:
                retry = FIRST_RETRY
            else:  # It does not wait when it is asked to.
                await asyncio.sleep(retry)
                retry = min(retry * 1.5, LAST_RETRY)

    def _take(self, answer: _Answer) -> bool:
        """Take the events in. Returns whether the worker had news."""
        first = not self.answered_at
        self.answered_at = asyncio.get_running_loop().time()
        fresh = [e for e in map(self._parse, answer.events) if e and e.cursor > self.cursor]
        has_moved = answer.cursor > self.cursor or bool(fresh)
        self.cursor = max(self.cursor, answer.cursor, *(event.cursor for event in fresh))
        self.events.extend(fresh)
        if fresh or first:
            self.wake()
        return has_moved

    def _complain(self, complaint: str) -> None:
        if complaint != self.complaint:
            self.complaint = complaint
            if complaint:
                log.warning("%s: %s", self._name, complaint)
            self.wake()

    def _parse(self, event: Any) -> WorkerEvent | None:
        """The event; none where it makes no sense to us, which must not cost the others."""
        origin = {"worker": self.worker, "incarnation": self.incarnation}
        try:
            if not isinstance(event, dict):
                event = {"kind": event}
            event = _bounded(event)
            return _EVENT.validate_python({**event, **origin}, extra="ignore")
        except ValidationError as error:
            why = error.errors(include_url=False)[0]
            where = ".".join(map(str, why["loc"]))
            log.warning("%s: event %s: %s", self._name, where, why["msg"])
            return None

    async def _wait(self) -> _Answer:
        url = f"{self.address.url}/v1/wait"
        seconds = WAIT_SECONDS if self.answered_at else 0
        params = {"after": str(self.cursor), "timeout": str(seconds)}
        timeout = aiohttp.ClientTimeout(total=self._patience(), connect=5)
        async with self.session.get(
            url,
            params=params,
            headers=self._headers,
            ssl=self._pin,
            timeout=timeout,
            allow_redirects=False,
            auto_decompress=False,
        ) as response:
            answer = _Answer.model_validate_json(await answers.body(response, WAIT_BYTES))
        if (answer.worker, answer.incarnation) != (self.worker, self.incarnation):
            # Addresses are given out again: whoever has this one now is somebody else.
            raise ValueError(f"{answer.worker}-{answer.incarnation} answers at {url}")
        return answer

    def _patience(self) -> float:
        """Seconds that the next answer may take: at most until the worker counts as silent."""
        left = self.answered_at + SILENCE - asyncio.get_running_loop().time()
        return left if self.answered_at and left > 0 else SILENCE

    async def _send(self) -> None:
        retry = FIRST_RETRY
        while True:
            await self._changed.wait()
            self._changed.clear()
            directive = self._wanted
            if directive is None or directive == self.sent:
                continue
            try:
                await self._put(directive)
                retry = FIRST_RETRY
            except Exception as error:
                answers.note(self._name, "put", error)
                await asyncio.sleep(retry)
                retry = min(retry * 1.5, LAST_RETRY)
                self._changed.set()

    async def _put(self, directive: Directive) -> None:
        timeout = aiohttp.ClientTimeout(total=10, connect=5)
        async with self.session.put(
            f"{self.address.url}/v1/directive",
            data=directive.model_dump_json(),
            headers={**self._headers, "Content-Type": "application/json"},
            ssl=self._pin,
            timeout=timeout,
            allow_redirects=False,
            auto_decompress=False,
        ) as response:
            if response.status not in (409, 422):
                answers.check_status(response)
            if response.status != 200:
                # Not a matter of trying again: a newer one is held, or it cannot use ours.
                said = await answers.beginning(response, REFUSAL_BYTES)
                text = said.decode(errors="replace")[:500]
                if response.status == 422 and directive == self._wanted:
                    self.refusal = text
                    self.wake()
                log.warning("%s refuses directive %s: %s", self._name, directive.id, text)
            self.sent = directive

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.address.token}", **answers.PLAIN}

    @property
    def _name(self) -> str:
        return f"{self.worker}-{self.incarnation}"


def _bounded(event: dict[str, Any]) -> dict[str, Any]:
    """The event, whose report says no more than a journal's entry can hold."""
    report = event.get("report")
    if not isinstance(report, dict):
        return event
    samples, metrics = report.get("samples"), report.get("metrics")
    if isinstance(samples, list) and len(samples) > MAX_SAMPLES:
        report = report | {"samples": samples[-MAX_SAMPLES:]}
    if isinstance(metrics, dict) and len(metrics) > MAX_METRICS:
        names = sorted(metrics)[:MAX_METRICS]
        report = report | {"metrics": {name: metrics[name] for name in names}}
    return event | {"report": report}


def silence(answered_at: float, now: float) -> float:
    """Seconds since the last answer (0: there was none yet), where that is more than usual."""
    seconds = now - answered_at
    return seconds if answered_at and seconds > WAIT_SECONDS else 0.0
