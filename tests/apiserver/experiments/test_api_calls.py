"""How often the API server is asked: counted in its audit log."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Sequence

from tests.apiserver.cluster import Cluster
from tests.apiserver.cluster.audit import Request
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.conftest import StartOperator
from tests.apiserver.experiments.experiment import Experiment, Object, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until
from tests.builders import ExperimentBuilder

WATCHED = 15.0
"""Seconds for which calls are counted."""
CALLS = 3
"""At most, in this time, for one experiment that cannot go on."""


def by_operator(cluster: Cluster, namespace: Namespace, mark: int) -> list[Request]:
    """All but the renewals of its own lease."""
    found = cluster.audit.since(mark, user=":operator", namespace=namespace.name)
    return [one for one in found if one.resource != "leases"]


def counted(requests: Sequence[Request]) -> dict[str, int]:
    return dict(Counter(f"{r.verb} {r.resource} {r.code}" for r in requests))


def with_spec(builder: ExperimentBuilder, name: str, **changes: object) -> ExperimentBuilder:
    """Under this name, with changes of the Pod's spec."""
    found = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    found["spec"] |= changes
    return builder.set("metadata.name", name).set("spec.worker", {"template": found})


def test_an_unchanged_experiment_is_not_written(
    namespace: Namespace, start_operator: StartOperator, cluster: Cluster
) -> None:
    """Neither one that waits, nor one that has ended; nor by an operator that starts anew."""
    operator = start_operator()
    ended = Experiment.create(namespace, triangle(2, 2).steps(20, 40))
    gate = [{"name": "example.com/admission"}]
    waiting = Experiment.create(
        namespace, with_spec(triangle(4, 2), "waiting", schedulingGates=gate)
    )
    ended.wait("Complete")
    waiting.wait("Ready", 30, reason="Queued", status="False")
    until(lambda: not ended.pods(), "the last worker is gone")
    settled(cluster, namespace)
    mark, versions = cluster.audit.mark(), objects(namespace)
    time.sleep(WATCHED)  # What is observed is that nothing happens.
    assert counted([r for r in by_operator(cluster, namespace, mark) if r.writes]) == {}
    operator.kill()
    mark = cluster.audit.mark()
    operator.start()
    until(lambda: operator.text().count("holds the lease") == 2, "it works again", 60)
    until(
        lambda: len(lists(by_operator(cluster, namespace, mark))) >= 2,
        "it has read both journals",
        60,
    )
    time.sleep(3)  # It would write now.
    assert counted([r for r in by_operator(cluster, namespace, mark) if r.writes]) == {}
    assert objects(namespace) == versions


def lists(requests: Sequence[Request]) -> list[Request]:
    return [r for r in requests if (r.verb, r.resource) == ("list", "populationjournals")]


def settled(cluster: Cluster, namespace: Namespace) -> None:
    """Until views have caught up: three seconds without a write."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        mark = cluster.audit.mark()
        time.sleep(3)
        if not any(r.writes for r in by_operator(cluster, namespace, mark)):
            return
    raise AssertionError("it goes on writing")


def objects(namespace: Namespace) -> dict[str, str]:
    """The version of each of our objects."""
    found = {}
    for kind in ("populationexperiments", "populationmembers", "populationjournals"):
        path = namespace.path(kind, "", "population-operator.io/v1alpha1")
        for item in namespace.client.items(path):
            metadata: Object = item["metadata"]
            found[f"{kind}/{metadata['name']}"] = metadata["resourceVersion"]
    return found


def test_each_entry_is_one_write(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    """However many members a round decides on; a full segment is sealed by one more."""
    mark = cluster.audit.mark()
    experiment = Experiment.create(namespace, triangle(8, 4).steps(20, 200))
    experiment.wait("Complete")
    until(lambda: experiment.state().cleaned_up, "it has cleaned up")
    calls = Counter(
        r.verb for r in by_operator(cluster, namespace, mark) if r.resource == "populationjournals"
    )
    entries, created = len(experiment.entries()), calls["create"]
    assert calls["create"] + calls["update"] == entries + (created - 1)
    rounds = [entry for entry in experiment.entries() if len(entry.decided) >= 8]
    assert len(rounds) >= 9, "a synchronous round is one entry"


def test_what_cannot_go_on_asks_seldom(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    """Unschedulable, missing claim, Secret, image: the cause is told, and nobody is pestered."""
    builder = triangle(2, 1)
    container = builder.manifest["spec"]["worker"]["template"]["spec"]["containers"][0]
    secret = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}
    stuck = {
        "Unschedulable": with_spec(builder, "pinned", nodeSelector={"example.com/none": "1"}),
        "ClaimMissing": builder.set("metadata.name", "claim").set(
            "spec.storage", {"claimName": "none"}
        ),
        "ImagePull": with_spec(
            builder, "image", containers=[container | {"image": "no-such-image:1"}]
        ),
        "CreateContainerConfigError": with_spec(
            builder, "secret", containers=[container | {"env": [secret]}]
        ),
    }
    for reason, manifest in stuck.items():
        experiment = Experiment.create(namespace, manifest)
        experiment.wait("Ready", 40, reason=reason, status="False")
    mark = cluster.audit.mark()
    time.sleep(WATCHED)  # What is observed is that next to nothing happens.
    calls = by_operator(cluster, namespace, mark)
    assert len(calls) <= CALLS * len(stuck), counted(calls)
    written = {r.resource for r in calls if r.writes}
    assert written <= {"populationexperiments/status"}, "the kubelet changes its words, no more"


def test_a_quota_is_tried_less_and_less_often(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    namespace.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}})
    quota = namespace.path("resourcequotas", "q")
    until(lambda: namespace.client.get(quota).get("status"), "the quota holds")
    mark = cluster.audit.mark()
    experiment = Experiment.create(namespace, triangle(4, 2))
    experiment.wait("Ready", 40, reason="QuotaExceeded", status="False")
    time.sleep(WATCHED)  # Tries double their distance: 1, 2, 4, 8 s.
    calls = by_operator(cluster, namespace, mark)
    refused = [r for r in calls if r.resource == "pods" and r.code == 403]
    assert 2 <= len(refused) <= 2 * 6, counted(calls)
    assert sum(r.resource == "populationexperiments/status" for r in calls) <= 6, counted(calls)
