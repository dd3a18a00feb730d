"""Status, members and Events on the API server: coalesced, few writes a second, never waited for.

`show` remembers and returns; one writer for each experiment brings the objects up to the newest
state that it was shown, at most once in `PAUSE` seconds. What has not changed is not written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from population_operator.adapters.kubernetes.cache import Cache
from population_operator.adapters.kubernetes.client import (
    ApiError,
    Client,
    Object,
    UnreachableError,
)
from population_operator.adapters.kubernetes.events import Told, event_object, told, troubled
from population_operator.adapters.kubernetes.names import UID, Key, member_object_name, path
from population_operator.adapters.kubernetes.status import (
    experiment_status,
    member_object,
    member_status,
    refused_status,
)
from population_operator.core.conditions import Problem
from population_operator.core.fold import fold
from population_operator.model.entry import Entry
from population_operator.model.state import State

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two rounds of writes for one experiment."""
WRITERS = 2
"""Writes of views under way, of all experiments: journals and Pods come first."""
WRITES_A_ROUND = 4
"""Of members and of Events, each, for one experiment: the others' turn is in the next round."""
LAST_RETRY = 30.0
EVENTS_KEPT = 200


@dataclass
class _Shown:
    """What is to be shown of one experiment, and what was written; `written` counts writes.

    `uids` are those of the members' objects; `seen` are the members whose object the cache has had;
    `taken` are those whose object cannot be made, with when that is tried again, and the wait.
    """

    state: State
    refusal: Problem | None = None
    told: State | None = None
    troubles: set[str] = field(default_factory=set)
    events: list[Told] = field(default_factory=list)
    status: Object = field(default_factory=dict)
    members: dict[str, Object] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    written: dict[str, int] = field(default_factory=dict)
    taken: dict[str, tuple[float, float]] = field(default_factory=dict)
    writer: asyncio.Task[None] | None = None
    dirty: bool = False


class KubernetesViews:
    """Shows all experiments.

    Args:
      client: the API server.
      experiments, members: caches with what is shown now, so that a restart writes nothing anew.
      problems: what keeps an experiment's workers from running, by key.
      clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: Client,
        experiments: Cache,
        members: Cache,
        problems: Callable[[str], tuple[Problem, ...]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._experiments = experiments
        self._members = members
        self._problems = problems
        self._clock = clock
        self._shown: dict[str, _Shown] = {}
        self._gate = asyncio.Semaphore(WRITERS)
        self.writes = 0

    async def show(self, key: str, state: State, entries: tuple[Entry, ...]) -> None:
        shown = self._shown.setdefault(key, _Shown(state))
        if entries:
            shown.events.extend(_events(shown.told, entries))
            shown.events[:] = shown.events[-EVENTS_KEPT:]
        shown.state, shown.told, shown.refusal = state, state, None
        self._write_soon(key, shown)

    async def refuse(self, key: str, problem: Problem) -> None:
        """Show that the experiment cannot begin."""
        shown = self._shown.setdefault(key, _Shown(State()))
        shown.refusal = problem
        self._write_soon(key, shown)

    def _write_soon(self, key: str, shown: _Shown) -> None:
        shown.dirty = True
        if shown.writer is None or shown.writer.done():
            shown.writer = asyncio.get_running_loop().create_task(self._write_on(key, shown))

    async def forget(self, key: str) -> None:
        """The experiment does not exist any more."""
        shown = self._shown.pop(key, None)
        if shown is not None and shown.writer is not None:
            shown.writer.cancel()
            await asyncio.gather(shown.writer, return_exceptions=True)

    async def written(self, key: str) -> None:
        """Wait until everything that was shown so far has arrived, or the experiment is gone."""
        shown = self._shown.get(key)
        if shown is not None and shown.writer is not None:
            await asyncio.shield(shown.writer)

    async def close(self) -> None:
        """Write what is left, within bounds, and let go."""
        writers = [s.writer for s in self._shown.values() if s.writer is not None]
        if writers:
            await asyncio.wait(writers, timeout=3 * PAUSE)
        for key in list(self._shown):
            await self.forget(key)

    async def _write_on(self, key: str, shown: _Shown) -> None:
        retry = PAUSE
        while shown.dirty:
            shown.dirty = False
            try:
                await self._write(Key.parse(key), shown)
                retry = PAUSE
            except ApiError as error:
                if error.status == 404:
                    return  # Deleted meanwhile: there is nothing to show any more.
                log.warning("%s: views: %s", key, error)
                shown.dirty, retry = True, min(retry * 2, LAST_RETRY)
            except UnreachableError as error:
                log.debug("%s: views: %s", key, error)
                shown.dirty, retry = True, min(retry * 2, LAST_RETRY)
            await asyncio.sleep(retry)

    async def _write(self, key: Key, shown: _Shown) -> None:
        state = shown.state
        if state.experiment is None and shown.refusal is None:
            return
        await self._write_status(key, shown, state)
        for event in shown.events[:WRITES_A_ROUND]:
            await self._create("events", key.namespace, event_object(key, event))
            if event in shown.events:  # Not one of the oldest of too many meanwhile.
                shown.events.remove(event)
        current = self._experiments.objects.get((key.namespace, key.name))
        if current is None or "deletionTimestamp" in current["metadata"]:
            return  # Its members go with it.
        stale = [m.name for m in state.population if self._is_stale(key, shown, state, m.name)]
        # Who was written longest ago comes first, so that nobody's turn never comes.
        stale.sort(key=lambda name: shown.written.get(name, 0))
        now, nobody = self._clock(), (0.0, 0.0)
        due = [name for name in stale if shown.taken.get(name, nobody)[0] <= now]
        for name in due[:WRITES_A_ROUND]:
            if await self._write_member(key, shown, state, name):
                shown.taken.pop(name, None)
            else:
                wait = min(2 * shown.taken.get(name, nobody)[1] or PAUSE, LAST_RETRY)
                shown.taken[name] = (now + wait, wait)
            shown.written[name] = self.writes
        for name in shown.taken.keys() - set(stale):
            del shown.taken[name]
        if len(due) > WRITES_A_ROUND or shown.events or shown.taken:
            shown.dirty = True

    async def _write_status(self, key: Key, shown: _Shown, state: State) -> None:
        current = self._experiments.objects.get((key.namespace, key.name))
        if current is None or current["metadata"]["uid"] != key.uid:
            return
        previous = shown.status or current.get("status", {})
        generation, now = int(current["metadata"].get("generation", 0)), self._clock()
        problems = (shown.refusal,) if shown.refusal else self._problems(str(key))
        if shown.refusal:
            status = refused_status(shown.refusal, previous, generation, now)
        else:
            status = experiment_status(state, problems, previous, generation, now)
        if status != previous:
            where = path("populationexperiments", key.namespace, key.name, "status")
            await self._put_status(where, key.uid, status)
        shown.status = status
        for it in (troubled(problem, generation, now) for problem in problems):
            if it is not None and it.name not in shown.troubles:
                shown.troubles.add(it.name)
                shown.events.append(it)

    def _is_stale(self, key: Key, shown: _Shown, state: State, name: str) -> bool:
        known = self._member(key, name)
        if known is not None:
            shown.seen.add(name)
            shown.uids[name] = known["metadata"]["uid"]
        elif name in shown.seen:  # Somebody deleted it.
            _forget_member(shown, name)
        status = member_status(state, state.members[name])
        return bool(shown.members.get(name, (known or {}).get("status")) != status)

    def _member(self, key: Key, name: str) -> Object | None:
        """Its object, if it is ours: an experiment of this name that was deleted leaves its own
        behind for a while."""
        found = self._members.objects.get((key.namespace, member_object_name(key.name, name)))
        if found is None or found["metadata"].get("labels", {}).get(UID) != key.uid:
            return None
        return found

    async def _write_member(self, key: Key, shown: _Shown, state: State, name: str) -> bool:
        """Returns whether it could be written now."""
        member = state.members[name]
        status = member_status(state, member)
        where = path(
            "populationmembers", key.namespace, member_object_name(key.name, name), "status"
        )
        try:
            if name not in shown.uids:
                made = await self._create(
                    "populationmembers", key.namespace, member_object(key, state, member)
                )
                if made is None:
                    return False  # An earlier one still has the name.
                shown.uids[name] = made["metadata"]["uid"]
            await self._put_status(where, shown.uids[name], status)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            _forget_member(shown, name)
            return False
        shown.members[name] = status
        return True

    async def _put_status(self, where: str, uid: str, status: Object) -> None:
        async with self._gate:
            self.writes += 1
            await self._client.set_status(where, uid, status)

    async def _create(self, plural: str, namespace: str, body: Object) -> Object | None:
        """The new object; none where there is one of its name, or none may be created any more."""
        try:
            async with self._gate:
                self.writes += 1
                return await self._client.create(path(plural, namespace), body)
        except ApiError as error:
            if error.reason != "AlreadyExists" and error.status != 403:
                raise
        return None


def _forget_member(shown: _Shown, name: str) -> None:
    shown.members.pop(name, None)
    shown.uids.pop(name, None)
    shown.seen.discard(name)


def _events(before: State | None, entries: tuple[Entry, ...]) -> list[Told]:
    """What the entries tell. After a restart, what came before the first of them is not known."""
    found: list[Told] = []
    state, last = before or State(), None
    for entry in entries:
        if last is not None and last.seq == state.seq + 1:
            state = fold(state, last)
        found += told(entry, state)
        last = entry
    return found
