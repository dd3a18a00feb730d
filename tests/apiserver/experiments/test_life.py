"""Suspend, resume, growth, deletion, time to live."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from population_operator.adapters.kubernetes.client import Client
from population_operator.adapters.kubernetes.names import UID, WORKER
from population_operator.api import parse
from population_operator.app.operator.lifecycle import Lifecycle
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import GROUP, Experiment, Object, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until


def test_suspend_and_resume(namespace: Namespace, operator: OperatorProcess) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    annotations = {"population-operator.io/suspend-reason": "the cluster is wanted by others"}
    namespace.client.patch(experiment.path, {"metadata": {"annotations": annotations}})
    experiment.patch({"suspend": True})
    experiment.wait("Suspended", 20)
    assert experiment.condition("Suspended")["message"] == "the cluster is wanted by others"
    until(lambda: not experiment.pods(), "no Pod is left", 20)
    experiment.patch({"suspend": False})
    experiment.wait("Complete")
    experiment.check()


def test_the_operator_ends_at_once_and_in_peace(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    began = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - began < 5
    told = [
        word for word in ("WARNING", "ERROR", "Unclosed", "Traceback") if word in operator.text()
    ]
    assert told == [], operator.text()[-2000:]


def test_it_may_grow_while_it_runs(namespace: Namespace, operator: OperatorProcess) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    experiment.patch({"population": {"size": 5}, "schedule": {"maxSteps": 240}})
    experiment.wait("Complete")
    experiment.check()
    assert {m.step for m in experiment.state().members.values()} == {240}
    assert len(experiment.state().members) == 5


def test_deletion_takes_everything_but_the_checkpoints(
    namespace: Namespace, operator: OperatorProcess, volume: Path
) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    uid = experiment.body()["metadata"]["uid"]
    assert "finalizers" not in experiment.body()["metadata"]
    experiment.delete()
    until(lambda: namespace.client.find(experiment.path) is None, "it is gone", 10)
    until(lambda: not experiment.pods() and not experiment.entries(), "all is gone", 40)
    assert (volume / uid).is_dir()


def test_deletion_takes_the_checkpoints_too_where_it_should(
    namespace: Namespace, operator: OperatorProcess, volume: Path
) -> None:
    storage = {"claimName": "shared", "deletionPolicy": "Delete"}
    experiment = Experiment.create(namespace, triangle().set("spec.storage", storage))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    uid = experiment.body()["metadata"]["uid"]
    assert (volume / uid).is_dir()
    experiment.delete()
    until(lambda: namespace.client.find(experiment.path) is None, "it is gone", 60)
    assert not (volume / uid).exists()


def test_what_never_trained_is_gone_at_once(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """Its claim is misspelt: a Pod that removes checkpoints could not start either."""
    storage = {"claimName": "sharde", "deletionPolicy": "Delete"}
    experiment = Experiment.create(namespace, triangle().set("spec.storage", storage))
    until(experiment.pods, "a worker waits for its claim")
    experiment.delete()
    until(lambda: namespace.client.find(experiment.path) is None, "it is gone", 20)


def test_a_deletion_that_cannot_go_on_says_why_and_what_to_do(
    namespace: Namespace, operator: OperatorProcess, volume: Path
) -> None:
    storage = {"claimName": "shared", "deletionPolicy": "Delete"}
    experiment = Experiment.create(namespace, triangle().set("spec.storage", storage))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    worker = experiment.body()["spec"]["worker"]
    worker["template"]["spec"]["nodeSelector"] = {"nowhere": "1"}
    experiment.patch({"worker": worker})
    uid = experiment.body()["metadata"]["uid"]
    experiment.delete()

    def told() -> str:
        return str(experiment.condition("Ready").get("message"))

    until(lambda: "triangle-remover" in told(), "it says what it waits for", 40)
    ready = experiment.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "BeingDeleted")
    assert "didn't match Pod's node affinity/selector" in told()
    assert "patch pexp triangle --type merge" in told()
    workers = [pod for pod in experiment.pods() if WORKER in pod["metadata"]["labels"]]
    assert workers == [], "they might still save"
    experiment.patch({"storage": {"deletionPolicy": "Retain"}})
    until(lambda: namespace.client.find(experiment.path) is None, "it is gone", 20)
    assert (volume / uid).is_dir()


def test_another_one_of_the_name_shows_its_own_members(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The first one's members stay until they are collected, and have the names until then."""
    first = Experiment.create(namespace, triangle())
    until(lambda: len(_members(namespace)) == 4, "its members are shown")
    held = namespace.path("populationmembers", "triangle-m1", GROUP)
    namespace.client.patch(held, {"metadata": {"finalizers": ["example.com/slow"]}})
    first.delete()
    until(lambda: namespace.client.find(first.path) is None, "it is gone", 20)
    second = Experiment.create(namespace, triangle())
    second.wait("Complete")
    namespace.client.patch(held, {"metadata": {"finalizers": None}})
    uid = second.body()["metadata"]["uid"]

    def own() -> dict[str, str]:
        return {
            one["metadata"]["name"]: one["status"]["phase"]
            for one in _members(namespace)
            if one["metadata"]["labels"][UID] == uid and one.get("status", {}).get("step") == 200
        }

    until(lambda: len(own()) == 4, "each is shown as it ended", 60)
    assert set(own().values()) == {"Finished"}


def test_a_claim_that_went_with_another_one_of_the_name_is_made_again(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """It is still there when the second one's is to be made."""
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    storage = {"claimTemplate": {"spec": spec}, "deletionPolicy": "Delete"}
    builder = triangle().set("spec.storage", storage)
    first = Experiment.create(namespace, builder)
    where = namespace.path("persistentvolumeclaims", "triangle-checkpoints")
    until(lambda: namespace.client.find(where), "its claim is there")
    old = namespace.client.get(where)["metadata"]["uid"]
    namespace.client.patch(where, {"metadata": {"finalizers": ["example.com/slow"]}})
    first.delete()
    until(lambda: "deletionTimestamp" in namespace.client.get(where)["metadata"], "it goes", 30)
    second = Experiment.create(namespace, builder)
    until(second.pods, "a worker waits")
    namespace.client.patch(where, {"metadata": {"finalizers": None}})

    def made() -> bool:
        found = namespace.client.find(where)
        return found is not None and found["metadata"]["uid"] != old

    until(made, "another claim is made", 60)


def test_a_member_that_somebody_deleted_is_shown_again(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    experiment = Experiment.create(namespace, triangle().steps(20, 400))
    until(lambda: len(_members(namespace)) == 4, "its members are shown")
    namespace.client.delete(namespace.path("populationmembers", "triangle-m1", GROUP))
    experiment.wait("Complete")
    until(lambda: len(_members(namespace)) == 4, "it is back", 20)


def _members(namespace: Namespace) -> list[Object]:
    return list(namespace.client.items(namespace.path("populationmembers", "", GROUP)))


def test_time_to_live(namespace: Namespace, operator: OperatorProcess) -> None:
    builder = triangle(2, 2).steps(20, 40).set("spec.ttlSecondsAfterFinished", 2)
    experiment = Experiment.create(namespace, builder)
    until(lambda: namespace.client.find(experiment.path) is None, "it has come and gone", 60)


def test_in_a_namespace_that_goes_nothing_is_waited_for(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """No Pod can be started there any more, and the volume's claim goes, too."""
    storage = {"claimName": "shared", "deletionPolicy": "Delete"}
    experiment = Experiment.create(namespace, triangle().set("spec.storage", storage))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    body = experiment.body()
    hold = {"metadata": {"name": "hold", "finalizers": ["example.com/slow"]}}
    namespace.create("configmaps", hold)
    assert operator.stop() == 0
    namespace.client.delete(f"/api/v1/namespaces/{namespace.name}")
    until(lambda: "deletionTimestamp" in experiment.body()["metadata"], "all of it goes", 30)

    async def remove() -> str | None:
        client = await Client.connect(str(namespace.cluster.kubeconfig))
        try:
            return await Lifecycle(client).remove(parse(body))
        finally:
            await client.close()

    try:
        assert asyncio.run(remove()) is None
    finally:
        held = namespace.path("configmaps", "hold")
        namespace.client.patch(held, {"metadata": {"finalizers": None}})
        namespace.client.patch(experiment.path, {"metadata": {"finalizers": None}})
