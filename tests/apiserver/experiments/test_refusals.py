"""What the API server let through and cannot be used: told where the user looks, and mendable."""

from __future__ import annotations

import copy
from typing import Any

from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import GROUP, Experiment, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until

POD = "spec.worker.template.spec"


def ready(found: dict[str, Any]) -> dict[str, Any]:
    conditions = found["status"]["conditions"]
    return next(dict(one) for one in conditions if one["type"] == "Ready")


def warnings(namespace: Namespace, name: str, reason: str) -> list[str]:
    return [
        event["message"]
        for event in namespace.events(name)
        if event["type"] == "Warning" and event["reason"] == reason
    ]


def template_with(experiment: Experiment, **changes: object) -> dict[str, Any]:
    found = copy.deepcopy(experiment.body()["spec"]["worker"]["template"])
    found["spec"]["containers"][0] |= changes
    return {"worker": {"template": found}}


def test_a_start_that_cel_cannot_check(namespace: Namespace, operator: OperatorProcess) -> None:
    """A condition and an Event, no retries; once it is corrected, the experiment begins."""
    builder = triangle(2, 1).steps(20, 60).set("spec.initial", [{"lr": 5}])
    experiment = Experiment.create(namespace, builder)
    found = experiment.wait("Ready", 20, reason="InvalidSpec", status="False")
    condition = ready(found)
    assert condition["message"].startswith(
        "spec.initial[0].lr: must be within [0.0001, 0.02], got 5"
    )
    assert condition["observedGeneration"] == 1
    assert found["status"]["phase"] == "Refused"
    until(lambda: warnings(namespace, "triangle", "InvalidSpec"), "the Event")

    mark = namespace.cluster.audit.mark()
    other = Experiment.create(
        namespace, triangle(2, 1).steps(20, 60).set("metadata", {"name": "other"})
    )
    other.wait("Complete", 60)
    asked = namespace.cluster.audit.since(mark, "operator", namespace.name)
    assert {one.name for one in asked} >= {"other"}
    assert "triangle" not in {one.name for one in asked}, "nothing is done before it is changed"
    assert experiment.entries() == ()

    experiment.patch({"initial": [{"lr": 6}]})
    until(lambda: "got 6" in ready(experiment.body())["message"], "the new problem")
    experiment.patch({"initial": [{"lr": 0.01}]})
    found = experiment.wait("Complete", 60)
    assert ready(found)["reason"] == "Ended"
    assert experiment.decisions()[0]["hyperparameters"] == {"lr": 0.01}
    experiment.check()


def test_once_it_has_begun_a_start_is_fixed(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    experiment = Experiment.create(namespace, triangle(2, 1).set("spec.initial", [{"lr": 0.01}]))
    until(lambda: experiment.entries(), "it has begun")
    until(lambda: experiment.status().get("phase") == "Running", "the status says so")
    where = f"{experiment.path}?dryRun=All"
    try:
        namespace.client.patch(where, {"spec": {"initial": [{"lr": 0.02}]}})
    except Exception as error:
        assert "initial is fixed while an experiment exists" in str(error)
    else:
        raise AssertionError("it was accepted")


def test_a_manifest_for_the_embedded_runtime(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """It has no Pod template: nothing could be started."""
    builder = triangle(2, 1).steps(20, 60)
    template = builder.manifest["spec"]["worker"]["template"]
    builder = builder.set("spec.worker", {"local": {"command": ["true"]}})
    experiment = Experiment.create(namespace, builder)
    found = experiment.wait("Ready", 20, reason="InvalidSpec", status="False")
    assert ready(found)["message"].startswith("spec.worker.template: is required on Kubernetes")
    experiment.patch({"worker": {"template": template}})
    experiment.wait("Complete", 60)


def test_a_refused_experiment_can_be_deleted(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    storage = {"claimName": "shared", "deletionPolicy": "Delete"}
    builder = triangle().set("spec.initial", [{"lr": 5}]).set("spec.storage", storage)
    body = builder.manifest
    body["metadata"]["finalizers"] = ["population-operator.io/checkpoints"]
    namespace.create("populationexperiments", body, GROUP)
    experiment = Experiment(namespace, body["metadata"]["name"])
    experiment.wait("Ready", 20, reason="InvalidSpec", status="False")
    experiment.delete()
    until(lambda: namespace.client.find(experiment.path) is None, "it is gone", 20)


def test_a_template_that_is_dropped_while_it_trains(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """It is told, and the run goes on as it was."""
    experiment = Experiment.create(namespace, triangle(2, 1).steps(20, 400))
    until(lambda: len(experiment.entries()) > 4, "it trains")
    experiment.patch({"worker": {"template": None}})
    found = experiment.wait("Ready", 20, reason="InvalidSpec", status="False")
    message = ready(found)["message"]
    assert "spec.worker.template: is required" in message
    assert "goes on with the last spec" in message
    experiment.wait("Complete", 90)
    experiment.check()


def test_a_pod_template_that_the_server_refuses(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The cause with its place; tried again at once when the template is changed."""
    mounts = [{"name": "data", "mountPath": "/data"}]
    builder = triangle(3, 3).steps(20, 60)
    found = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    found["spec"]["containers"][0]["volumeMounts"] = mounts
    experiment = Experiment.create(namespace, builder.set("spec.worker", {"template": found}))
    body = experiment.wait("Ready", 20, reason="PodTemplateInvalid", status="False")
    message = ready(body)["message"]
    assert f"{POD}.containers[0].volumeMounts[0].name: not found" in message
    assert message.count("volumeMounts") == 1, "three Pods, one problem"
    until(lambda: warnings(namespace, "triangle", "PodTemplateInvalid"), "the Event")
    experiment.patch(template_with(experiment, volumeMounts=[]))
    experiment.wait("Complete", 60)
    experiment.check()


def test_a_pod_that_the_namespace_does_not_allow(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace.client.patch(f"/api/v1/namespaces/{namespace.name}", {"metadata": {"labels": labels}})
    builder = triangle(2, 1).steps(20, 60)
    found = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    found["spec"]["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": True}
    experiment = Experiment.create(namespace, builder.set("spec.worker", {"template": found}))
    body = experiment.wait("Ready", 20, reason="PodTemplateInvalid", status="False")
    message = ready(body)["message"]
    assert f"{POD}.containers[0].securityContext.allowPrivilegeEscalation: " in message
    assert 'PodSecurity "restricted:latest"' in message
    experiment.patch(template_with(experiment, securityContext=None))
    experiment.wait("Complete", 60)


def test_a_misspelt_field_is_not_dropped_in_silence(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    builder = triangle(2, 1)
    found = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    found["spec"]["nodeSelecter"] = {"gpu": "h100"}
    experiment = Experiment.create(namespace, builder.set("spec.worker", {"template": found}))
    body = experiment.wait("Ready", 20, reason="PodTemplateInvalid", status="False")
    assert f"{POD}.nodeSelecter: is not a field that the server knows" in ready(body)["message"]
