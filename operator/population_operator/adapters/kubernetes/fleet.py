"""Workers as Pods: created, watched and deleted through the cache, spoken to on their Pod IP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field

import aiohttp

from population_operator.adapters.kubernetes import manifests, pods, refusals
from population_operator.adapters.kubernetes.cache import Cache
from population_operator.adapters.kubernetes.client import (
    STRICT,
    ApiError,
    Client,
    Object,
    UnreachableError,
)
from population_operator.adapters.kubernetes.connection import Connection
from population_operator.adapters.kubernetes.failures import TemplateRefusedError, explained
from population_operator.adapters.kubernetes.hearing import HEARING, Hearing
from population_operator.adapters.kubernetes.names import Key, path, pod_name
from population_operator.adapters.worker.credentials import Credentials, derive
from population_operator.api import PopulationExperiment
from population_operator.core.conditions import Problem
from population_operator.core.desired import Desired, DesiredWorker
from population_operator.core.observation import Observation
from population_operator.model.state import State, worker_name
from population_operator.ports import ConflictError

log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 1.0, 60.0
DELETE = "delete "
"""What names of attempts to delete a Pod begin with."""
CLAIM = "claim"
"""What the attempt to make it again is called."""
CREATES_AT_ONCE = 4
"""Creates of Pods under way, each experiment's first one not counted: it comes before the others'
second, so that of many experiments that are created at once each starts."""


class NotSyncedError(Exception):
    """The cache has not been filled yet: nothing can be said to be missing."""


@dataclass
class _Retry:
    """Attempts so far, and the loop's time before which there is no other."""

    attempts: int = 0
    not_before: float = 0.0


@dataclass
class _Run:
    """What is going on for one experiment. Nothing in here needs to survive."""

    credentials: Credentials
    prepared: bool = False
    preparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    spec: PopulationExperiment | None = None
    connections: dict[tuple[str, int], Connection] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)
    retries: dict[str, _Retry] = field(default_factory=dict)
    hearing: Hearing = field(default_factory=Hearing)


class KubernetesFleet:
    """The workers of all experiments.

    Args:
      client: the API server.
      cache: Pods with our label; `pod_changed` has to be told of its changes.
      master: the secret that tokens and keys are derived from.
      wake: called with an experiment's key when `observe` would tell something new.
    """

    def __init__(
        self, client: Client, cache: Cache, master: bytes, wake: Callable[[str], None]
    ) -> None:
        self._client = client
        self._cache = cache
        self._master = master
        self._wake = wake
        self._runs: dict[str, _Run] = {}
        self._index: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._session: aiohttp.ClientSession | None = None
        self._others = asyncio.Semaphore(CREATES_AT_ONCE)

    # --- the port ---

    async def observe(self, key: str, experiment: PopulationExperiment) -> Observation:
        self._check_synced()
        run, now = self._run(key), asyncio.get_running_loop().time()
        ours = self._pods(Key.parse(key).uid)
        ends = [end for pod in ours if (end := pods.gone(pod)) is not None]
        over = {(end.worker, end.incarnation) for end in ends}
        links = run.connections
        run.hearing.check(links, now)
        return Observation(
            experiment=experiment,
            present=tuple(
                links[at].heard(pods.present(pod), now) if at in links else pods.present(pod)
                for pod in ours
                if (at := pods.place(pod)) not in over
            ),
            gone=tuple(ends),
            events=tuple(event for link in links.values() for event in link.events),
        )

    async def listen(self, key: str, desired: Desired, state: State) -> None:
        self._check_synced()
        run, loop, ran = self._run(key), asyncio.get_running_loop(), []
        existing = {pods.place(pod): pod for pod in self._pods(Key.parse(key).uid)}
        for worker in desired.workers:
            at = (worker.worker, worker.incarnation)
            pod = existing.get(at)
            if pod is not None and pods.gone(pod) is None:
                self._speak(key, run, state, worker, pod)
                ran.append(at)
        run.hearing.begin(ran, loop.time())
        loop.call_later(HEARING + 0.01, self._wake, key)

    async def apply(self, key: str, desired: Desired, state: State) -> None:
        run, where = self._run(key), Key.parse(key)
        wanted = {(w.worker, w.incarnation): w for w in desired.workers}
        existing = {pods.place(pod): pod for pod in self._pods(where.uid)}
        _forget_past(run, state, wanted, existing.values())
        for at, pod in existing.items():
            if at not in wanted:
                self._delete(key, run, pod, state)
        for at in [at for at in run.connections if at not in wanted]:
            self._do(run, f"close {at}", run.connections.pop(at).close())
        for at, worker in wanted.items():
            found = existing.get(at)
            if found is None and not worker.uid:
                self._create(key, run, state.spec, worker)
            elif found is not None and pods.gone(found) is None:
                self._speak(key, run, state, worker, found)
                self._claim_again(key, run, state.spec, found)

    # --- what else is asked of it ---

    def problems(self, key: str) -> tuple[Problem, ...]:
        """Why workers that should train do not, one line each, without repetitions."""
        run = self._runs.get(key)
        found = dict(run.problems) if run else {}
        for pod in self._pods(Key.parse(key).uid):
            if pods.gone(pod) is None and (problem := pods.problem(pod)) is not None:
                found[str(pod["metadata"]["name"])] = problem
        for (worker, _), link in run.connections.items() if run else ():
            if link.problem is not None:
                found[worker] = link.problem
        return tuple(dict.fromkeys(found[name] for name in sorted(found)))

    def pod_changed(self, old: Object | None, new: Object | None) -> None:
        """The cache's callback: keep the index, and wake whom it concerns."""
        pod = new or old
        if pod is None:
            return
        name = (str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"]))
        uid = pods.experiment_uid(pod)
        if new is None:
            self._index[uid].discard(name)
        else:
            self._index[uid].add(name)
        for key in self._runs:
            if Key.parse(key).uid == uid:
                self._wake(key)

    async def forget(self, key: str) -> None:
        """The experiment does not exist any more, or is another replica's: let go of it."""
        run = self._runs.pop(key, None)
        if run is None:
            return
        for task in run.tasks.values():
            task.cancel()
        await asyncio.gather(*(link.close() for link in run.connections.values()))

    def ran(self, key: str) -> bool:
        """Whether a worker of the experiment runs or ran, as far as its Pods show it."""
        return any(pods.ran(pod) for pod in self._pods(Key.parse(key).uid))

    async def end(self, key: str) -> str | None:
        """End the workers of an experiment that is being deleted: they may still save.

        Returns what it waits for. A Pod that should be gone for a while is waited for no longer:
        on a lost node it stays until the node comes back.
        """
        now = time.time()
        left = [pod for pod in self._pods(Key.parse(key).uid) if not pods.is_overdue(pod, now)]
        for metadata in (pod["metadata"] for pod in left):
            if "deletionTimestamp" not in metadata:
                where = path("pods", metadata["namespace"], metadata["name"])
                await self._client.delete(where, uid=metadata["uid"])
        names = [str(pod["metadata"]["name"]) for pod in left[:3]]
        more = ", ..." if len(left) > 3 else ""
        return f"its workers end first ({', '.join(names)}{more})" if left else None

    async def close(self) -> None:
        """Let go of everything. Pods go on."""
        for key in list(self._runs):
            await self.forget(key)
        if self._session is not None:
            await self._session.close()

    # --- acting ---

    def _create(
        self, key: str, run: _Run, experiment: PopulationExperiment, worker: DesiredWorker
    ) -> None:
        name = pod_name(experiment.metadata.name, worker.worker, worker.incarnation)

        async def create() -> None:
            where = Key.parse(key)
            await self._prepare(run, experiment)
            first = worker.worker == worker_name(0)
            try:
                async with contextlib.nullcontext() if first else self._others:
                    await self._client.create(
                        path("pods", where.namespace), manifests.pod(experiment, worker), **STRICT
                    )
            except ApiError as error:
                if refusals.invalid(error):
                    template = experiment.spec.worker.template
                    found = refusals.template_problems(error, template, refusals.POD_TEMPLATE)
                    raise TemplateRefusedError("PodTemplateInvalid", found) from error
                if error.reason != "AlreadyExists":
                    raise
                existing = await self._client.get(path("pods", where.namespace, name))
                if pods.experiment_uid(existing) != where.uid:
                    raise

        self._attempt(key, run, name, create)

    async def _prepare(self, run: _Run, experiment: PopulationExperiment) -> None:
        """The Secret and the claim that every Pod needs. Made once; that they exist is success."""
        async with run.preparing:
            if not run.prepared:
                await self._make(run, experiment)
                run.prepared = True

    def _claim_again(
        self, key: str, run: _Run, experiment: PopulationExperiment, pod: Object
    ) -> None:
        """A claim of ours that is missing is made again.

        When it was made first, that of an experiment of the same name was there, and went with it.
        """
        if not pods.claim_missing(pod) or not manifests.claim(experiment):
            return
        run.prepared = False
        self._attempt(key, run, CLAIM, lambda: self._prepare(run, experiment))

    async def _make(self, run: _Run, experiment: PopulationExperiment) -> None:
        key = Key.of(experiment)
        wanted = [("secrets", manifests.secret(key, run.credentials))]
        claim = manifests.claim(experiment)
        if claim is not None:
            wanted.append(("persistentvolumeclaims", claim))
        for plural, body in wanted:
            try:
                await self._client.create(path(plural, key.namespace), body)
            except ApiError as error:
                storage = experiment.spec.storage
                if body is claim and storage is not None and refusals.invalid(error):
                    found = refusals.template_problems(
                        error, storage.claim_template, refusals.CLAIM_TEMPLATE
                    )
                    raise TemplateRefusedError("ClaimTemplateInvalid", found) from error
                if error.reason != "AlreadyExists":
                    raise

    def _delete(self, key: str, run: _Run, pod: Object, state: State) -> None:
        worker, incarnation = pods.place(pod)
        known = state.workers.get(worker)
        if known is None or incarnation > known.incarnation:
            raise ConflictError(f"{worker}-{incarnation} is newer than the state at {state.seq}")
        if "deletionTimestamp" in pod["metadata"]:
            return
        metadata = pod["metadata"]
        where = path("pods", metadata["namespace"], metadata["name"])

        async def delete() -> None:
            await self._client.delete(where, uid=metadata["uid"])

        self._attempt(key, run, f"{DELETE}{metadata['name']}", delete)

    def _speak(self, key: str, run: _Run, state: State, worker: DesiredWorker, pod: Object) -> None:
        at = (worker.worker, worker.incarnation)
        run.problems.pop(pod["metadata"]["name"], None)
        connection = run.connections.get(at)
        if connection is None and pods.started(pod) and pods.address(pod):
            connection = run.connections[at] = Connection(
                self._http(),
                pods.address(pod),
                run.credentials,
                state.spec.spec.objective.metric,
                worker,
                lambda: self._wake(key),
                warm=state.workers[worker.worker].warm,
            )
            connection.start()
        if connection is not None:
            connection.prune(worker.cursor)
            if worker.directive is not None:
                connection.send(worker.directive)

    def _attempt(
        self, key: str, run: _Run, name: str, action: Callable[[], Coroutine[None, None, None]]
    ) -> None:
        """One attempt at a time for each object; a failure is told, and waits before the next."""
        loop = asyncio.get_running_loop()
        if name in run.tasks or run.retries.get(name, _Retry()).not_before > loop.time():
            return

        async def attempt() -> None:
            try:
                await action()
                run.problems.pop(name, None)
                run.retries.pop(name, None)
            except (ApiError, UnreachableError, TemplateRefusedError) as error:
                self._failed(key, run, name, error)
            finally:
                run.tasks.pop(name, None)

        run.tasks[name] = loop.create_task(attempt(), name=name)

    def _failed(self, key: str, run: _Run, name: str, error: Exception) -> None:
        loop = asyncio.get_running_loop()
        attempts = run.retries.get(name, _Retry()).attempts + 1
        delay = min(FIRST_RETRY * 2 ** (attempts - 1), LAST_RETRY)
        run.retries[name] = _Retry(attempts, loop.time() + delay)
        loop.call_later(delay + 0.01, self._wake, key)
        log.warning("%s: %s: %s", key, name, error)
        run.problems[name] = explained(name, error)
        self._wake(key)

    def _do(self, run: _Run, name: str, action: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(action, name=name)
        run.tasks[name] = task
        task.add_done_callback(lambda _: run.tasks.pop(name, None))

    def _check_synced(self) -> None:
        if not self._cache.synced.is_set():
            raise NotSyncedError("Pods are not listed yet")

    def _run(self, key: str) -> _Run:
        if key not in self._runs:
            self._runs[key] = _Run(derive(self._master, Key.parse(key).uid))
        return self._runs[key]

    def _pods(self, uid: str) -> list[Object]:
        names = sorted(self._index.get(uid, ()))
        return [self._cache.objects[name] for name in names if name in self._cache.objects]

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def _forget_past(
    run: _Run,
    state: State,
    wanted: Mapping[tuple[str, int], DesiredWorker],
    existing: Collection[Object],
) -> None:
    """A spec that was changed is tried at once; what need not be done any more is no problem.

    An attempt whose answer was lost may have succeeded: what there is tells, not what was heard.
    """
    if run.spec is not state.spec:
        if run.spec is not None and run.spec != state.spec:
            run.retries.clear()
            run.problems.clear()
        run.spec = state.spec
    due = {pod_name(state.spec.metadata.name, *slot) for slot in wanted}
    for pod in existing:
        if "deletionTimestamp" not in pod["metadata"]:
            due.add(f"{DELETE}{pod['metadata']['name']}")
        if pods.claim_missing(pod):
            due.add(CLAIM)
    for name in (run.problems.keys() | run.retries.keys()) - due - run.tasks.keys():
        run.problems.pop(name, None)
        run.retries.pop(name, None)
