"""`population validate --server`: what only a server can see, with the path in the manifest."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from population_operator.app.cli import run_command
from population_operator.app.cli.errors import BAD_INPUT, COMPLETE, FAILED
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import GROUP, Experiment, triangle

Text = pytest.CaptureFixture[str]
Change = Callable[[dict[str, Any]], object]
POD = "spec.worker.template.spec"


@pytest.fixture
def validate(namespace: Namespace, kinds: None, tmp_path: Path, capsys: Text) -> Callable[..., Any]:
    """`validate(change)` changes the manifest, asks the server, and gives code, stdout, stderr."""

    def ask(change: Change = lambda body: None, *arguments: str) -> tuple[int, str, str]:
        body = copy.deepcopy(triangle().manifest)
        change(body)
        file = tmp_path / "x.yaml"
        file.write_text(yaml.safe_dump(body))
        access = ["--kubeconfig", str(namespace.cluster.kubeconfig)]
        code = run_command(
            ["validate", str(file), "--server", *access, *(arguments or ("-n", namespace.name))]
        )
        out, err = capsys.readouterr()
        return code, out, err.replace(f"{file}: ", "")

    return ask


def pod(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"]["worker"]["template"]["spec"]
    return found


def worker(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod(body)["containers"][0]
    return found


def test_a_good_manifest_and_nothing_is_made(
    namespace: Namespace, validate: Callable[..., Any]
) -> None:
    code, out, err = validate()
    assert (code, err) == (COMPLETE, "")
    assert f"takes it in namespace {namespace.name}" in out
    assert namespace.client.items(namespace.path("populationexperiments", "", GROUP)) == []
    assert namespace.client.items(namespace.path("pods")) == []


BAD: dict[str, tuple[Change, str, str]] = {
    "a volume of two kinds": (
        lambda b: pod(b).update(volumes=[{"name": "a", "emptyDir": {}, "hostPath": {"path": "/"}}]),
        f"{POD}.volumes[0].hostPath",
        "more than 1 volume type",
    ),
    "a volume of none": (
        lambda b: pod(b).update(volumes=[{"name": "a", "emptyDri": {}}]),
        f"{POD}.volumes[0].emptyDri",
        "mind the spelling",
    ),
    "a mount of a volume that is not there": (
        lambda b: worker(b).update(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        f"{POD}.containers[0].volumeMounts[0].name",
        "data",
    ),
    "two sources of a variable": (
        lambda b: worker(b).update(
            env=[
                {"name": "POPULATION_WORKER", "value": "mine"},
                {
                    "name": "A",
                    "value": "x",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
                },
            ]
        ),
        f"{POD}.containers[0].env[1].valueFrom",
        "may not be specified when `value` is not empty",
    ),
    "a variable from nowhere": (
        lambda b: worker(b).update(
            env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.nothing"}}}]
        ),
        f"{POD}.containers[0].env[0].valueFrom.fieldRef.fieldPath",
        "status.nothing",
    ),
    "a misspelt field": (
        lambda b: worker(b).update(volumeMount=[]),
        f"{POD}.containers[0].volumeMount",
        "mind the spelling",
    ),
    "a field of another type": (
        lambda b: worker(b).update(stdin="yes please"),
        f"{POD}.containers[0].stdin",
        "must be of type bool, got a string",
    ),
    "a label that is none": (
        lambda b: b["spec"]["worker"]["template"].update(metadata={"labels": {"a b": "c"}}),
        "spec.worker.template.metadata.labels",
        "a b",
    ),
    "a service account that is not there": (
        lambda b: pod(b).update(serviceAccountName="nobody"),
        f"{POD}.serviceAccountName",
        "nobody",
    ),
    "a priority class that is not there": (
        lambda b: pod(b).update(priorityClassName="urgent"),
        f"{POD}.priorityClassName",
        "urgent",
    ),
    "a name of a volume of ours": (
        lambda b: pod(b).update(volumes=[{"name": "population-tmp", "emptyDir": {}}]),
        f"{POD}.volumes",
        "population-tmp",
    ),
    "a claim without a size": (
        lambda b: b["spec"].update(
            storage={
                "claimTemplate": {
                    "spec": {"accessModes": ["ReadWriteMany"], "resources": {"limits": {}}}
                }
            }
        ),
        "spec.storage.claimTemplate.spec.resources",
        "required",
    ),
    "no template": (
        lambda b: b["spec"].update(worker={"local": {"command": ["true"]}}),
        "spec.worker.template",
        "is required on Kubernetes",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_only_the_server_sees(case: str, validate: Callable[..., Any]) -> None:
    change, path, told = BAD[case]
    code, out, err = validate(change)
    assert (code, out) == (BAD_INPUT, ""), err
    matching = [line for line in err.splitlines() if line.startswith(path)]
    assert matching, err
    assert any(told in line for line in matching), err


def test_all_problems_at_once(validate: Callable[..., Any]) -> None:
    def change(body: dict[str, Any]) -> None:
        pod(body).update(volumes=[{"name": "a"}, {"name": "a", "emptyDir": {}}])
        worker(body)["volumeMounts"] = [{"name": "b", "mountPath": "/b"}]

    code, _, err = validate(change)
    assert code == BAD_INPUT
    paths = [line.split(": ")[0] for line in err.splitlines()]
    assert f"{POD}.volumes[1].name" in paths
    assert f"{POD}.containers[0].volumeMounts[0].name" in paths


def test_containers_of_one_name_are_found_without_a_server_as_well(
    validate: Callable[..., Any],
) -> None:
    code, _, err = validate(lambda b: pod(b)["containers"].append(dict(worker(b))))
    assert code == BAD_INPUT
    assert err.startswith(f"{POD}.containers[1].name: repeats `worker`")


def test_a_restricted_namespace(namespace: Namespace, validate: Callable[..., Any]) -> None:
    """Our defaults pass; what the user says against the standard is named, for each container."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace.client.patch(f"/api/v1/namespaces/{namespace.name}", {"metadata": {"labels": labels}})
    code, _, err = validate()
    assert code == COMPLETE, err

    def change(body: dict[str, Any]) -> None:
        worker(body)["securityContext"] = {"privileged": True, "allowPrivilegeEscalation": True}
        pod(body)["hostNetwork"] = True

    code, _, err = validate(change)
    assert code == BAD_INPUT
    lines = err.splitlines()
    assert any(x.startswith(f"{POD}.containers[0].securityContext.privileged: ") for x in lines)
    assert any(x.startswith(f"{POD}: ") and "host namespaces" in x for x in lines), err
    assert all('PodSecurity "restricted:latest"' in line for line in lines)


def test_a_quota_that_is_used_up(namespace: Namespace, validate: Callable[..., Any]) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    namespace.create("resourcequotas", quota)
    where = namespace.path("resourcequotas", "none")
    namespace.client.wait(where, lambda found: bool(found.get("status")))
    code, _, err = validate()
    assert code == BAD_INPUT
    assert err.startswith("spec.worker.template: exceeded quota: none")


def test_a_change_that_is_not_allowed(namespace: Namespace, validate: Callable[..., Any]) -> None:
    """The experiment exists: what may change, and what may not."""
    Experiment.create(namespace, triangle())
    code, _, err = validate(lambda b: b["spec"]["schedule"].update(maxSteps=10_000))
    assert code == COMPLETE, err
    code, _, err = validate(lambda b: b["spec"]["schedule"].update(interval=40))
    assert code == BAD_INPUT
    assert err.startswith("spec.schedule.interval: "), err
    assert "is fixed while an experiment exists" in err


def test_the_namespace(namespace: Namespace, validate: Callable[..., Any]) -> None:
    def here(body: dict[str, Any]) -> None:
        body["metadata"]["namespace"] = namespace.name

    assert validate(here)[0] == COMPLETE
    code, _, err = validate(here, "-n", "default")
    assert code == BAD_INPUT
    assert err == f"metadata.namespace: is {namespace.name}, but --namespace is default\n"
    code, _, err = validate(lambda b: None, "-n", "no-such-namespace")
    assert code == BAD_INPUT
    assert "there is no namespace no-such-namespace" in err


def test_who_may_make_no_pods_is_told(
    namespace: Namespace, kinds: None, tmp_path: Path, capsys: Text
) -> None:
    namespace.create("serviceaccounts", {"metadata": {"name": "nobody"}})
    plane = namespace.cluster.control_plane
    config = str(plane.service_account_kubeconfig(namespace.name, "nobody"))
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(triangle().manifest))
    assert run_command(["validate", str(file), "--server", "--kubeconfig", config]) == FAILED
    assert "you may not patch populationexperiments" in capsys.readouterr().err


def test_a_cluster_is_only_asked_with_the_flag(tmp_path: Path, capsys: Text) -> None:
    assert run_command(["validate", str(tmp_path / "x.yaml"), "-n", "x"]) == BAD_INPUT
    assert "--server" in capsys.readouterr().err
