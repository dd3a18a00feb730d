"""What the user says about storage and devices reaches the API server, and works there."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.cluster import Cluster
from tests.apiserver.cluster.client import ApiError
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import Experiment, Object, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until
from tests.builders import ExperimentBuilder

MIG = "nvidia.com/mig-1g.10gb"
DRA = "resource.k8s.io/v1"
DRIVER = "gpu.example.com"


def short() -> ExperimentBuilder:
    return triangle(2, 2).steps(20, 60)


def claim_template(policy: str) -> Object:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"labels": {"team": "vision"}, "annotations": {"example.com/note": "kept"}}
    return {"claimTemplate": {"metadata": metadata, "spec": spec}, "deletionPolicy": policy}


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_claim_from_the_template(
    namespace: Namespace, operator: OperatorProcess, policy: str
) -> None:
    """It is made, bound and used; it goes with the experiment only where that is asked for."""
    experiment = Experiment.create(namespace, short().set("spec.storage", claim_template(policy)))
    experiment.wait("Complete")
    path = namespace.path("persistentvolumeclaims", "triangle-checkpoints")
    claim = namespace.client.get(path)
    body = experiment.body()
    assert claim["status"]["phase"] == "Bound"
    assert claim["metadata"]["labels"]["team"] == "vision"
    assert claim["metadata"]["annotations"]["example.com/note"] == "kept"
    folder = Path(
        namespace.client.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")["spec"][
            "hostPath"
        ]["path"]
    )
    uid = body["metadata"]["uid"]
    assert any((folder / uid).iterdir()), "the checkpoints lie on it"
    assert body["status"]["best"]["checkpoint"].startswith(f"pvc://triangle-checkpoints/{uid}/")
    owners = [owner["uid"] for owner in claim["metadata"].get("ownerReferences", ())]
    assert owners == ([uid] if policy == "Delete" else [])
    experiment.delete()
    until(lambda: not experiment.entries(), "the experiment is gone with what it owned", 40)
    if policy == "Delete":
        until(lambda: namespace.client.find(path) is None, "the claim, too", 40)
    else:
        assert namespace.client.get(path)["metadata"]["uid"] == claim["metadata"]["uid"]


@pytest.fixture
def mig(cluster: Cluster) -> Iterator[None]:
    """A GPU of node-0 is partitioned: two MIG devices."""
    path = "/api/v1/nodes/node-0/status"

    def offer(count: str | None) -> None:
        amounts = {"capacity": {MIG: count}, "allocatable": {MIG: count}}
        cluster.client.patch(path, {"status": amounts}, "strategic")

    offer("2")
    yield
    offer(None)


def test_mig_devices_are_asked_for_by_their_name(
    namespace: Namespace, operator: OperatorProcess, mig: None
) -> None:
    builder = short()
    template = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    template["spec"]["containers"][0]["resources"] = {"limits": {MIG: "1"}}
    experiment = Experiment.create(namespace, builder.set("spec.worker", {"template": template}))
    until(lambda: len(experiment.running()) == 2, "both run")
    for pod in experiment.running():
        assert pod["spec"]["nodeName"] == "node-0", "the only one that has them"
        resources = pod["spec"]["containers"][0]["resources"]
        assert resources["limits"] == resources["requests"] == {MIG: "1"}
    experiment.wait("Complete")


@pytest.fixture
def devices(cluster: Cluster, namespace: Namespace) -> Iterator[str]:
    """Two devices of a driver on node-1, and a template of claims on one of them; its name."""
    root = f"/apis/{DRA}"
    selector = {"cel": {"expression": f"device.driver == '{DRIVER}'"}}
    node = {"pool": {"name": "node-1", "generation": 1, "resourceSliceCount": 1}}
    offered = {"driver": DRIVER, "nodeName": "node-1", "devices": [{"name": "a"}, {"name": "b"}]}
    made = {
        f"{root}/deviceclasses": {"metadata": {"name": DRIVER}, "spec": {"selectors": [selector]}},
        f"{root}/resourceslices": {"metadata": {"name": "node-1"}, "spec": offered | node},
    }
    for path, body in made.items():
        cluster.client.create(path, body)
    requests = [{"name": "gpu", "exactly": {"deviceClassName": DRIVER}}]
    claim = {"metadata": {"name": "one-gpu"}, "spec": {"spec": {"devices": {"requests": requests}}}}
    namespace.create("resourceclaimtemplates", claim, DRA)
    yield "one-gpu"
    for path, body in made.items():
        try:
            cluster.client.delete(f"{path}/{body['metadata']['name']}")
        except ApiError as error:
            if error.status != 404:
                raise


def test_claims_on_devices_reach_the_scheduler(
    namespace: Namespace, operator: OperatorProcess, devices: str
) -> None:
    """DRA: each Pod gets a claim of its own, and is put where the device is."""
    builder = short()
    template = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    template["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": devices}]
    template["spec"]["containers"][0]["resources"] = {"claims": [{"name": "gpu"}]}
    experiment = Experiment.create(namespace, builder.set("spec.worker", {"template": template}))
    until(lambda: len(experiment.running()) == 2, "both run")
    claims = namespace.client.items(namespace.path("resourceclaims", "", DRA))
    given = {
        result["device"]
        for claim in claims
        for result in claim["status"]["allocation"]["devices"]["results"]
    }
    assert given == {"a", "b"}
    assert {pod["spec"]["nodeName"] for pod in experiment.running()} == {"node-1"}
    experiment.wait("Complete")
