"""What the training thread and the control server share: the directive held, and the events.

Everything happens under one lock and wakes who waits for it at once; nothing polls. Only the wait
for a directive comes up for air now and then, see `take`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from population_worker import wire
from population_worker.directive import CheckpointRef, Directive, Forget
from population_worker.report import Report

_TROUBLES_KEPT = 100
_BREATH_SECONDS = 0.25


class Refused(Exception):
    """A directive that is older than the one held, or meant for another incarnation."""


@dataclass(frozen=True)
class Batch:
    """The events after a cursor, as JSON objects, and the worker's state at that moment."""

    directive: int | None
    waiting: bool
    step: int
    cursor: int
    events: tuple[str, ...]


@dataclass(frozen=True)
class _Event:
    cursor: int
    kind: str
    json: str


class Mailbox:
    """A thread-safe mailbox of one incarnation.

    The training thread takes directives and publishes events; the control server puts directives
    and reads events; the janitor takes what to forget.
    """

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self._lock = threading.Lock()
        self._directive_put = threading.Condition(self._lock)
        self._event_published = threading.Condition(self._lock)
        self._forget_put = threading.Condition(self._lock)
        self._held: Directive | None = None
        self._forget: tuple[Forget, ...] = ()
        self._events: list[_Event] = []
        self._cursor = 0
        self._waiting_after: int | None = -1  # the id after which the training thread waits
        self._step = 0
        self._stopped = False
        self._closed = False

    # What the operator does.

    def put(self, directive: Directive) -> None:
        """Hold a directive; of the one held already only `forget` is replaced; or `Refused`."""
        with self._lock:
            if directive.incarnation != self.incarnation:
                raise Refused(f"this is incarnation {self.incarnation}")
            if self._held is not None and directive.id < self._held.id:
                raise Refused(f"directive {self._held.id} is held, {directive.id} is older")
            if self._held is None or directive.id > self._held.id:
                self._held = directive
                self._directive_put.notify_all()
            self._forget = directive.forget
            if self._forget:
                self._forget_put.notify_all()

    def read(self, after: int, timeout: float) -> Batch:
        """Return all events after a cursor as soon as there is one, or none after `timeout` s."""
        with self._lock:
            self._event_published.wait_for(lambda: self._cursor > after or self._closed, timeout)
            return Batch(
                directive=None if self._held is None else self._held.id,
                waiting=self._is_waiting(),
                step=self._step,
                cursor=self._cursor,
                events=tuple(event.json for event in self._events if event.cursor > after),
            )

    @property
    def held(self) -> Directive | None:
        """The newest directive that was put."""
        with self._lock:
            return self._held

    @property
    def unanswered(self) -> Directive | None:
        """The newest directive, unless its report is out and the worker waits for another."""
        with self._lock:
            return None if self._is_waiting() else self._held

    @property
    def in_progress(self) -> Directive | None:
        """The directive held, unless the worker is done with it and waits for a newer one."""
        with self._lock:
            return None if self._is_waiting() else self._held

    # What the training thread does.

    def take(self, after: int) -> Directive | None:
        """Wait for a directive with an id above `after`; None when the worker is to stop."""
        with self._lock:
            self._waiting_after = after
            # A signal that comes just before the main thread blocks does not interrupt it, and
            # Python's handlers run only there: without the breath, SIGTERM would not be heard.
            while not (self._has_newer(after) or self._stopped):
                self._directive_put.wait(_BREATH_SECONDS)
            if self._stopped:
                return None
            self._waiting_after = None
            return self._held

    def newer(self, after: int) -> Directive | None:
        """Return the directive held if its id is above `after`; never waits."""
        with self._lock:
            return self._held if self._has_newer(after) else None

    def progress(self, step: int) -> None:
        """Say which step has been reached, or gone back to."""
        with self._lock:
            self._step = step

    def report(self, report: Report, *, waits_after: int | None = None) -> None:
        """Publish a report; with `waits_after`, the worker waits from this very moment on."""
        with self._lock:
            self._step = report.step
            self._publish("report", {"report": report.to_json()}, waits_after)

    def restore_failed(self, directive: Directive, checkpoint: CheckpointRef, reason: str) -> None:
        """Publish that a checkpoint could not be restored; the worker waits from now on."""
        event = {
            "directive": directive.id,
            "member": directive.member,
            "checkpoint": checkpoint.to_json(),
            "reason": wire.readable(reason),
        }
        with self._lock:
            self._publish("restore_failed", event, waits_after=directive.id)

    def trouble(self, member: str, reason: str) -> None:
        """Publish what a person should look at; only the newest hundred are kept."""
        with self._lock:
            self._publish("trouble", {"member": member, "reason": wire.readable(reason)})
            troubles = [event for event in self._events if event.kind == "trouble"]
            if len(troubles) > _TROUBLES_KEPT:
                self._events.remove(troubles[0])

    # What the janitor does.

    def take_forget(self) -> tuple[Forget, ...] | None:
        """Wait for a list of checkpoints to delete; None when the mailbox is closed."""
        with self._lock:
            self._forget_put.wait_for(lambda: self._forget or self._closed)
            if self._closed:
                return None
            taken, self._forget = self._forget, ()
            return taken

    def forgotten(self, items: tuple[Forget, ...]) -> None:
        """Publish what was deleted."""
        with self._lock:
            self._publish("forgotten", {"forgotten": [item.to_json() for item in items]})

    # The end.

    def stop(self) -> None:
        """Make every `take` return None from now on."""
        with self._lock:
            self._stopped = True
            self._directive_put.notify_all()

    def wait_stopped(self, timeout: float) -> bool:
        """Wait for `stop`, at most `timeout` seconds; tell whether it has come."""
        with self._lock:
            return self._directive_put.wait_for(lambda: self._stopped, timeout)

    def close(self) -> None:
        """Stop, and let every reader and the janitor go."""
        self.stop()
        with self._lock:
            self._closed = True
            self._event_published.notify_all()
            self._forget_put.notify_all()

    # Only with the lock held.

    def _has_newer(self, after: int) -> bool:
        return self._held is not None and self._held.id > after

    def _is_waiting(self) -> bool:
        """Not from the moment on when what is waited for was put, though it sleeps on a little."""
        return self._waiting_after is not None and not self._has_newer(self._waiting_after)

    def _publish(
        self, kind: str, content: dict[str, object], waits_after: int | None = None
    ) -> None:
        event = {"cursor": self._cursor + 1, "kind": kind, **content}
        self._events.append(_Event(self._cursor + 1, kind, wire.dumps(event)))
        self._cursor += 1
        if waits_after is not None:
            self._waiting_after = waits_after
        self._event_published.notify_all()
