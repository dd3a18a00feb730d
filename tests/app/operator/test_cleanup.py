"""Finalizers are dropped once nobody can put them back, whatever changes meanwhile."""

from __future__ import annotations

import asyncio
import copy
from typing import Any, cast

import pytest

from population_operator.adapters.kubernetes.client import ApiError, Client, Object
from population_operator.app.operator.cleanup import Cleanup
from population_operator.app.operator.lifecycle import FINALIZER

LEASE = "/apis/coordination.k8s.io/v1/namespaces/own/leases/population-operator"
SCALE = "/apis/apps/v1/namespaces/own/deployments/operator/scale"
EXPERIMENTS = "/apis/population-operator.io/v1alpha1/namespaces/{}/populationexperiments"


class Server:
    """Objects by path; a merge whose resourceVersion is old conflicts, as on the real one."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.log: list[str] = []
        self.before_merge: list[str] = []

    def experiment(self, namespace: str, name: str, *finalizers: str) -> str:
        where = f"{EXPERIMENTS.format(namespace)}/{name}"
        metadata = {"namespace": namespace, "name": name, "resourceVersion": "1"}
        self.objects[where] = {"metadata": metadata | {"finalizers": list(finalizers)}}
        return where

    def finalizers(self, where: str) -> list[str]:
        return list(self.objects[where]["metadata"]["finalizers"])

    async def get(self, path: str, **query: str) -> Object:
        if path.endswith("populationexperiments"):
            inside = [one for at, one in self.objects.items() if at.startswith(f"{path}/")]
            return {"items": copy.deepcopy(inside)}
        return copy.deepcopy(self._at(path))

    async def create(self, path: str, body: Object, **query: str) -> Object:
        self.log.append("create")
        self.objects[f"{path}/{body['metadata']['name']}"] = body
        body["metadata"]["resourceVersion"] = "1"
        return body

    async def replace(self, path: str, body: Object) -> Object:
        return body

    async def merge(self, path: str, body: Object) -> Object:
        self.log.append(f"merge {path}")
        found = self._at(path)
        if path.endswith("/scale"):
            return found
        version = found["metadata"]["resourceVersion"]
        if path in self.before_merge:  # Somebody else writes between our read and our write.
            self.before_merge.remove(path)
            found["metadata"]["resourceVersion"] = str(int(version) + 1)
        if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        found["metadata"] |= body["metadata"]
        return found

    async def delete(self, path: str, **_: Any) -> None:
        self.log.append(f"delete {path}")
        self.objects.pop(path, None)

    def _at(self, path: str) -> Object:
        if path not in self.objects:
            raise ApiError(404, "NotFound", path)
        return self.objects[path]


@pytest.fixture
def server() -> Server:
    made = Server()
    made.objects[SCALE] = {}
    return made


def clean(server: Server, *namespaces: str) -> int:
    client = cast(Client, server)
    cleanup = Cleanup(client, namespaces, "own", "operator", "population-operator")
    return asyncio.run(asyncio.wait_for(cleanup.run(), 10))


def test_our_finalizer_goes_and_others_stay(server: Server) -> None:
    held = server.experiment("a", "x", "someone.else/holds", FINALIZER)
    free = server.experiment("b", "y")
    assert clean(server, "a", "b") == 1
    assert server.finalizers(held) == ["someone.else/holds"]
    assert server.finalizers(free) == []


def test_it_stops_the_operator_takes_its_lease_and_leaves_none(server: Server) -> None:
    held = server.experiment("a", "x", FINALIZER)
    clean(server, "a")
    assert server.log == [f"merge {SCALE}", "create", f"merge {held}", f"delete {LEASE}"]
    assert LEASE not in server.objects


def test_a_change_meanwhile_is_not_overwritten(server: Server) -> None:
    held = server.experiment("a", "x", FINALIZER)
    server.before_merge = [held, held]
    assert clean(server, "a") == 1
    assert server.finalizers(held) == []
    assert server.objects[held]["metadata"]["resourceVersion"] == "3"


def test_without_a_deployment_or_the_kind_there_is_nothing_to_do(server: Server) -> None:
    del server.objects[SCALE]
    assert clean(server, "a") == 0
