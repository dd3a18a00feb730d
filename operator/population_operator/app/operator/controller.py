"""Ties it together: caches wake keys, the queue hands them out, the reconciler does the rest."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass, field, replace

from population_operator.adapters.kubernetes import manifests, pods
from population_operator.adapters.kubernetes.cache import Cache
from population_operator.adapters.kubernetes.client import (
    ApiError,
    Client,
    Object,
    UnreachableError,
)
from population_operator.adapters.kubernetes.fleet import KubernetesFleet, NotSyncedError
from population_operator.adapters.kubernetes.hearing import NotHeardError
from population_operator.adapters.kubernetes.journal import KubernetesJournal
from population_operator.adapters.kubernetes.names import MANAGED_BY, MANAGER, Key, path
from population_operator.adapters.kubernetes.views import KubernetesViews
from population_operator.algorithms.base import MissingLibrary
from population_operator.api import ManifestError, PopulationExperiment, parse
from population_operator.app.operator.lifecycle import Lifecycle
from population_operator.app.operator.metrics import MeasuredJournal, Metrics
from population_operator.app.operator.settings import Settings
from population_operator.app.queue import WorkQueue
from population_operator.core.conditions import BEING_DELETED, Problem
from population_operator.core.phases import SUSPEND_REASON
from population_operator.model.state import State
from population_operator.ports import ConflictError, JournalUnavailableError
from population_operator.reconcile import Reconciler

MAX_MESSAGE = 4000
"""Characters of a condition's message."""

log = logging.getLogger(__name__)


class WallClock:
    def now(self) -> float:
        return time.time()


@dataclass
class Controller:
    """Reconciles every experiment that it sees, until cancelled."""

    client: Client
    settings: Settings
    master: bytes
    queue: WorkQueue = field(default_factory=WorkQueue)
    reconciles: int = 0
    failures: int = 0
    metrics: Metrics = field(default_factory=Metrics)
    started: dict[str, float] = field(default_factory=dict)
    _known: dict[str, Key] = field(default_factory=dict)
    _parsed: dict[str, tuple[str, PopulationExperiment]] = field(default_factory=dict)
    _errors: dict[str, Problem] = field(default_factory=dict)
    _invalid: dict[str, Problem] = field(default_factory=dict)
    _saved: set[str] = field(default_factory=set)
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        managed = f"{MANAGED_BY}={MANAGER}"
        self.experiments = Cache(
            self.client, self._paths("populationexperiments"), "", self._experiment_changed
        )
        self.pods = Cache(
            self.client, self._paths("pods"), managed, self._pod_changed, pods.trimmed
        )
        self.members = Cache(
            self.client, self._paths("populationmembers"), managed, lambda old, new: None
        )
        self.fleet = KubernetesFleet(self.client, self.pods, self.master, self._wake)
        self.views = KubernetesViews(self.client, self.experiments, self.members, self._problems)
        self.journal = KubernetesJournal(self.client)
        measured = MeasuredJournal(self.journal, self.metrics, lambda key: self._state(key))
        self.reconciler = Reconciler(measured, self.fleet, self.views, WallClock())
        self.lifecycle = Lifecycle(self.client)

    @property
    def synced(self) -> bool:
        """Whether everything has been listed at least once."""
        return all(c.synced.is_set() for c in (self.experiments, self.pods, self.members))

    async def run(self) -> None:
        """Work until cancelled. Pods and journals stay as they are when this ends."""
        try:
            async with asyncio.TaskGroup() as group:
                for cache in (self.experiments, self.pods, self.members):
                    group.create_task(cache.run())
                for cache in (self.experiments, self.pods, self.members):
                    await cache.synced.wait()
                group.create_task(self.metrics.beat(), name="heartbeat")
                for number in range(self.settings.workers):
                    group.create_task(self._work(), name=f"reconcile {number}")
        finally:
            await self.views.close()
            await self.fleet.close()

    def wake(self, namespace: str, name: str) -> None:
        """Have a look at this experiment."""
        self.queue.add(f"{namespace}/{name}")

    async def _work(self) -> None:
        while True:
            name = await self.queue.get()
            began = self.started[name] = time.monotonic()
            try:
                await self._process(name)
                self.queue.succeeded(name)
            except Exception as error:
                self._failed(name, error)
            finally:
                self.reconciles += 1
                self.metrics.reconcile.observe(time.monotonic() - began)
                self.started.pop(name, None)
                self.queue.done(name)

    async def _process(self, name: str) -> None:
        namespace, called = name.split("/")
        body = self.experiments.objects.get((namespace, called))
        known = self._known.get(name)
        if known is not None and (body is None or body["metadata"]["uid"] != known.uid):
            await self._forget(name, known)
        if body is None:
            return
        key = self._known[name] = Key(namespace, called, body["metadata"]["uid"])
        experiment = await self._usable(name, key, body)
        if experiment is None:
            return
        if "deletionTimestamp" in body["metadata"]:
            await self._finalize(name, body, experiment)
            return
        if await self.lifecycle.ensure_finalizer(body, experiment):
            return  # The change comes back as an event.
        deadline = await self.reconciler.reconcile(str(key), experiment)
        if self._errors.pop(name, None) is not None:
            await self.views.show(str(key), self.reconciler.states[str(key)], ())
        if deadline is not None:
            self.queue.add_after(name, deadline - time.time())
        await self._expire(name, key, experiment)

    async def _finalize(self, name: str, body: Object, experiment: PopulationExperiment) -> None:
        """End the workers, then remove what they saved, where that is wanted; then let go."""
        key = str(Key.of(experiment))
        await self.fleet.forget(key)
        state, waits = replace(State(), experiment=experiment), None
        if self.lifecycle.holds(body, experiment):
            saved = name in self._saved or self.fleet.ran(key)
            try:
                known = await self.reconciler.load(key)
                saved = saved or may_have_saved(known, body)
                state = known if known.experiment else state
            except (JournalUnavailableError, ValueError) as error:
                log.warning("%s: %s", name, error)
                saved = True
            if saved:
                self._saved.add(name)
            waits = await self._removed(key, experiment, saved)
        if waits is None:
            await self.lifecycle.release(body)
            return
        problem = being_deleted(experiment, waits)
        if self._errors.get(name) != problem:
            self._errors[name] = problem
            log.info("%s: %s", name, waits)
            await self.views.show(key, state, ())
        self.queue.add_after(name, 1.0)

    async def _removed(self, key: str, experiment: PopulationExperiment, saved: bool) -> str | None:
        """End the workers, and remove what they saved. Returns what it waits for."""
        try:
            waits = await self.fleet.end(key)
            if waits is None and saved:
                waits = await self.lifecycle.remove(experiment)
        except ApiError as error:
            return error.message
        return waits

    async def _expire(self, name: str, key: Key, experiment: PopulationExperiment) -> None:
        state = self.reconciler.states.get(str(key), State())
        ttl = experiment.spec.ttl_seconds_after_finished
        if ttl is None or not state.cleaned_up:
            return
        left = state.ended_at + ttl - time.time()
        if left <= 0:
            await self.lifecycle.expire(key)
        else:
            self.queue.add_after(name, left)

    async def _usable(self, name: str, key: Key, body: Object) -> PopulationExperiment | None:
        """The experiment as it is now; where that cannot be used, as it was when it last could.

        Nothing is tried again before the spec is changed: the change comes as an event.
        """
        try:
            experiment = self._parse(name, body)
        except ManifestError as error:
            told = "; ".join(str(problem) for problem in error.problems)
        else:
            self._invalid.pop(name, None)
            return experiment
        state = await self.reconciler.load(str(key))
        if state.experiment is None:
            await self.views.refuse(str(key), Problem("InvalidSpec", told[:MAX_MESSAGE]))
            if "deletionTimestamp" in body["metadata"]:
                await self.lifecycle.release(body)
            return None
        told = f"{told}; it goes on with the last spec that could be used"
        self._invalid[name] = Problem("InvalidSpec", told[:MAX_MESSAGE])
        return state.spec

    def _parse(self, name: str, body: Object) -> PopulationExperiment:
        """The experiment, read again only where its spec has changed."""
        metadata, reason = body["metadata"], suspend_reason(body)
        version = f"{metadata['uid']}/{metadata.get('generation')}/{reason}"
        cached = self._parsed.get(name)
        if cached is None or cached[0] != version:
            bare = {k: metadata[k] for k in ("name", "namespace", "uid")}
            if reason:  # The others may be long, and are of no use in a journal.
                bare["annotations"] = {SUSPEND_REASON: reason}
            experiment = parse({**body, "metadata": bare})
            if problems := manifests.unusable(experiment):
                raise ManifestError(problems)
            cached = self._parsed[name] = (version, experiment)
        return cached[1]

    def _failed(self, name: str, error: Exception) -> None:
        if isinstance(error, NotHeardError):
            log.debug("%s: %s", name, error)
            return
        self.failures += 1
        wait = self.queue.retry(name)
        expected = (ConflictError, JournalUnavailableError, NotSyncedError, ApiError)
        if isinstance(error, (*expected, UnreachableError, ManifestError, MissingLibrary)):
            log.warning("%s: %s; again in %.1f s", name, error, wait)
        else:
            log.exception("%s: again in %.1f s", name, wait)
        if isinstance(error, ConflictError | NotSyncedError):
            return
        self._errors[name] = problem_of(error)
        known = self._known.get(name)
        state = self.reconciler.states.get(str(known)) if known else None
        if known is not None and state is not None:
            if state.experiment is None:  # Nothing could be decided yet; the cause is shown anyway.
                state = replace(state, experiment=self._parsed[name][1])
            # With what is in the state, or its Events would be told against what came later.
            entries = tuple(self.reconciler.unshown.pop(str(known), ()))
            show = self.views.show(str(known), state, entries)
            task = asyncio.get_running_loop().create_task(show)
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _forget(self, name: str, key: Key) -> None:
        text = str(key)
        self._known.pop(name, None)
        self._parsed.pop(name, None)
        self._errors.pop(name, None)
        self._invalid.pop(name, None)
        self._saved.discard(name)
        self.queue.forget(name)
        self.reconciler.forget(text)
        self.journal.forget(text)
        self.lifecycle.forget(key.uid)
        await self.fleet.forget(text)
        await self.views.forget(text)

    def _problems(self, key: str) -> tuple[Problem, ...]:
        where = Key.parse(key)
        name = f"{where.namespace}/{where.name}"
        own = (self._invalid.get(name), self._errors.get(name))
        return (*(problem for problem in own if problem), *self.fleet.problems(key))

    def _state(self, key: str) -> State | None:
        return self.reconciler.states.get(key)

    def _wake(self, key: str) -> None:
        where = Key.parse(key)
        self.wake(where.namespace, where.name)

    def _experiment_changed(self, old: Object | None, new: Object | None) -> None:
        it = new or old
        if it is not None and _relevant(old) != _relevant(new):
            self.wake(it["metadata"]["namespace"], it["metadata"]["name"])

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        self.fleet.pod_changed(old, new)

    def _paths(self, plural: str) -> tuple[str, ...]:
        if not self.settings.namespaces:
            return (path(plural),)
        return tuple(path(plural, namespace) for namespace in self.settings.namespaces)


def may_have_saved(state: State, body: Object) -> bool:
    """Whether a worker ever started, as far as the journal knows.

    In a deletion in the foreground the journal may go first: the status is what is left then.
    """
    if state.experiment is None:
        return body.get("status", {}).get("phase") not in (None, "", "Pending", "Refused")
    workers = state.workers.values()
    return state.reports > 0 or any(w.started_at > 0 or w.incarnation > 1 for w in workers)


def being_deleted(experiment: PopulationExperiment, waits: str) -> Problem:
    """Why a deletion takes its time, and how not to wait for it."""
    patch = json.dumps({"spec": {"storage": {"deletionPolicy": "Retain"}}}, separators=(",", ":"))
    key = Key.of(experiment)
    command = f"kubectl -n {key.namespace} patch pexp {key.name} --type merge -p '{patch}'"
    message = f"removes the checkpoints: {waits}. To keep them and not to wait: {command}"
    return Problem(BEING_DELETED, message[:MAX_MESSAGE])


def problem_of(error: Exception) -> Problem:
    """What a failed reconcile is called in the condition `Ready`."""
    if isinstance(error, MissingLibrary):
        return Problem("MissingLibrary", f"{error}, in the operator's image")
    return Problem("ReconcileError", f"{type(error).__name__}: {error}"[:1000])


def _relevant(body: Object | None) -> Object | None:
    """What of an experiment's object is worth a look: not the status, which is ours."""
    if body is None:
        return None
    metadata = body["metadata"]
    fields = ("uid", "generation", "deletionTimestamp", "finalizers")
    return {key: metadata.get(key) for key in fields} | {SUSPEND_REASON: suspend_reason(body)}


def suspend_reason(body: Object) -> str:
    """Why it is suspended, in the words of whoever suspended it."""
    return str((body["metadata"].get("annotations") or {}).get(SUSPEND_REASON, ""))
