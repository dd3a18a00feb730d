"""The Kubernetes adapters pass the suites of the ports, on the real API server.

The experiment exists, and no operator runs: the adapters are used directly, with the operator's
rights. Pods run on the node agents as real processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from population_operator.adapters.kubernetes import pods, views
from population_operator.adapters.kubernetes.cache import Cache
from population_operator.adapters.kubernetes.client import ApiError, Client
from population_operator.adapters.kubernetes.fleet import KubernetesFleet
from population_operator.adapters.kubernetes.journal import KubernetesJournal
from population_operator.adapters.kubernetes.names import MANAGED_BY, MANAGER, Key, path
from population_operator.adapters.kubernetes.status import member_status
from population_operator.adapters.kubernetes.views import KubernetesViews
from population_operator.api import PopulationExperiment
from population_operator.model.report import CheckpointRef
from population_operator.ports import Journal
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import GROUP, template
from tests.apiserver.experiments.operator_process import MASTER, grant
from tests.builders import a_member, a_report, a_state, an_experiment
from tests.conformance.fleet import FleetConformance
from tests.conformance.fleet_driver import Slot, World, Worlds
from tests.conformance.journal import JournalConformance, Storage
from tests.conformance.loop import in_a_loop
from tests.conformance.test_fleet import PROGRAM
from tests.conformance.views import Shown, ViewsConformance, Window

MANAGED = f"{MANAGED_BY}={MANAGER}"


@pytest.fixture
def kubeconfig(namespace: Namespace, kinds: None) -> str:
    """With the operator's rights."""
    grant(namespace)
    plane = namespace.cluster.control_plane
    return str(plane.service_account_kubeconfig(namespace.name, "operator"))


def created(namespace: Namespace) -> tuple[Key, PopulationExperiment]:
    """The experiment of the fleet's suite, with what Pods need."""
    builder = (
        an_experiment()
        .size(3)
        .steps(10, 1000)
        .set("spec.worker", {"template": template(PROGRAM, gpus=0)})
        .set("spec.storage", {"claimName": "shared"})
    )
    body = namespace.create("populationexperiments", builder.manifest, GROUP)
    metadata = body["metadata"]
    identity = {name: metadata[name] for name in ("name", "namespace", "uid")}
    return Key(**identity), builder.set("metadata", identity).build()


# --- Journal --------------------------------------------------------------------------------------


@dataclass
class InObjects:
    """Each adapter has a connection of its own."""

    key: str
    kubeconfig: str
    shared: bool = True
    clients: dict[int, Client] = field(default_factory=dict)

    async def open(self) -> Journal:
        client = await Client.connect(self.kubeconfig)
        journal = KubernetesJournal(client)
        self.clients[id(journal)] = client
        return journal

    async def close(self, journal: Journal) -> None:
        await self.clients.pop(id(journal)).close()


class TestKubernetesJournal(JournalConformance):
    @pytest.fixture
    def storage(self, namespace: Namespace, kubeconfig: str) -> Storage:
        return InObjects(str(created(namespace)[0]), kubeconfig)


# --- Fleet ----------------------------------------------------------------------------------------


@dataclass
class InPods:
    """Pods outlive the operator."""

    namespace: Namespace
    key: str
    experiment: PopulationExperiment
    volume: Path
    client: Client
    fleet: KubernetesFleet = field(init=False)
    keeps_workers: bool = True
    can_stall: bool = True
    watching: asyncio.Task[None] | None = None

    async def start(self) -> InPods:
        self.cache = Cache(
            self.client,
            (path("pods", self.namespace.name),),
            MANAGED,
            lambda old, new: self.fleet.pod_changed(old, new),
            pods.trimmed,
        )
        self.fleet = KubernetesFleet(self.client, self.cache, MASTER, lambda key: None)
        self.watching = asyncio.create_task(self.cache.run())
        await self.cache.synced.wait()
        return self

    async def stop(self) -> None:
        assert self.watching is not None
        self.watching.cancel()
        await asyncio.gather(self.watching, return_exceptions=True)
        await self.fleet.close()

    async def exists(self) -> set[Slot]:
        found = await asyncio.to_thread(
            self.namespace.client.items, self.namespace.path("pods"), labelSelector=MANAGED
        )
        return {
            pods.place(pod)
            for pod in found
            if pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")
        }

    async def settle(self, seconds: float = 0.02) -> None:
        await asyncio.sleep(seconds)

    async def kill(self, slot: Slot) -> None:
        await self._signal(slot, signal.SIGKILL)

    async def stall(self, slot: Slot) -> None:
        await self._signal(slot, signal.SIGSTOP)

    async def corrupt(self, ref: CheckpointRef) -> None:
        file = self.volume / self.experiment.metadata.uid / str(ref) / "weights.json"
        file.chmod(0o644)
        data = bytearray(file.read_bytes())
        data[-2] ^= 1
        file.write_bytes(data)

    async def replace_operator(self) -> None:
        await self.stop()
        await self.start()

    async def _signal(self, slot: Slot, number: signal.Signals) -> None:
        name = f"{self.experiment.metadata.name}-{slot[0]}-{slot[1]}"
        cluster, where = self.namespace.cluster, self.namespace.name
        node = await asyncio.to_thread(cluster.node_of, where, name)
        await asyncio.to_thread(node.signal, f"{where}/{name}", number)


class TestKubernetesFleet(FleetConformance):
    @pytest.fixture
    def worlds(self, namespace: Namespace, kubeconfig: str, volume: Path) -> Worlds:
        @contextlib.asynccontextmanager
        async def world(experiment: PopulationExperiment) -> AsyncIterator[World]:
            key, it = await asyncio.to_thread(created, namespace)
            assert it.spec.population == experiment.spec.population
            client = await Client.connect(kubeconfig)
            pods_ = await InPods(namespace, str(key), it, volume, client).start()
            try:
                yield pods_
            finally:
                await pods_.stop()
                await client.close()

        return world


# --- Views ----------------------------------------------------------------------------------------


@dataclass
class OnTheServer:
    """What `kubectl get` shows."""

    namespace: Namespace
    where: Key
    kubeconfig: str
    _views: KubernetesViews | None = None

    @property
    def key(self) -> str:
        return str(self.where)

    @property
    def views(self) -> OnTheServer:
        return self

    async def show(self, key: str, state, entries) -> None:  # type: ignore[no-untyped-def]
        await (await self._opened()).show(key, state, entries)

    async def look(self) -> Shown | None:
        if self._views is not None:
            await self._views.written(self.key)
        client, where = self.namespace.client, self.namespace.path
        body = await asyncio.to_thread(
            client.get, where("populationexperiments", self.where.name, GROUP)
        )
        members = await asyncio.to_thread(client.items, where("populationmembers", "", GROUP))
        status = body.get("status")
        if not status:
            assert members == []
            return None
        return Shown(
            phase=status["phase"],
            best=status["best"]["score"] if "best" in status else None,
            steps={m["spec"]["member"]: m["status"]["step"] for m in members},
        )

    async def _opened(self) -> KubernetesViews:
        """In the test's own event loop; ended with it."""
        if self._views is None:
            client = await Client.connect(self.kubeconfig)
            caches = [
                Cache(client, (path(plural, self.namespace.name),), "", lambda old, new: None)
                for plural in ("populationexperiments", "populationmembers")
            ]
            self.tasks = [asyncio.create_task(cache.run()) for cache in caches]
            for cache in caches:
                await cache.synced.wait()
            self._views = KubernetesViews(client, *caches, lambda key: ())
        return self._views


class TestKubernetesViews(ViewsConformance):
    @pytest.fixture
    def window(
        self, namespace: Namespace, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
    ) -> Window:
        monkeypatch.setattr(views, "PAUSE", 0.02)
        return OnTheServer(namespace, created(namespace)[0], kubeconfig)

    @in_a_loop
    async def test_what_is_not_so_any_more_is_not_shown(self, window: OnTheServer) -> None:
        """Hyperparameters on a condition come and go; after an exploit there is no score."""
        client, where = window.namespace.client, window.namespace.path
        experiment, member = an_experiment(), a_member(0)
        states = (
            a_state(
                experiment,
                member.having(optimizer="sgd", momentum=0.9, lr=0.1).reported(100, 0.5),
                best=a_report(0, 100, 0.5),
            ),
            a_state(
                experiment, member.having(optimizer="adam", lr=0.2), best=a_report(0, 200, 0.6)
            ),
        )
        for state in states:
            await window.show(window.key, state, ())
            await window.look()
            path = where("populationexperiments", window.where.name, GROUP)
            status = (await asyncio.to_thread(client.get, path))["status"]
            (m0,) = state.population
            assert status["best"]["hyperparameters"] == m0.decision.hyperparameters
            (shown,) = await asyncio.to_thread(client.items, where("populationmembers", "", GROUP))
            assert shown["status"] == member_status(state, m0)
        assert "score" not in shown["status"]

    @in_a_loop
    async def test_a_status_is_not_given_to_another_of_the_name(self, window: OnTheServer) -> None:
        """It was deleted and made again: a conflict, as other writes for the old one are."""
        where = path("populationexperiments", window.namespace.name, window.where.name, "status")
        client = await Client.connect(window.kubeconfig)
        try:
            with pytest.raises(ApiError, match="UID") as raised:
                await client.set_status(where, "another", {"phase": "Running"})
            assert raised.value.status == 409
            assert "status" not in await client.get(where.removesuffix("/status"))
        finally:
            await client.close()
