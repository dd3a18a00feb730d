"""What has to be true of the rendered chart, whatever it looks like."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from population_operator.api.schema import KINDS
from population_operator.app.yaml_reader import read_yaml
from tests.chart.helm import FILES, Helm, Object, pick
from tests.chart.matrix import MATRIX

ROOT = Path(__file__).parents[2]
CLUSTER_KINDS = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


def rules(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


def test_the_rights_are_those_that_the_tests_on_a_real_api_server_grant(helm: Helm) -> None:
    objects = helm.objects({})
    assert pick(objects, "ClusterRole", "pop-population-operator")["rules"] == rules("rules.yaml")
    own = pick(objects, "Role", "pop-population-operator-own")
    assert (own["rules"], own["metadata"]["namespace"]) == (rules("own-rules.yaml"), "population")
    for name, file in (("viewer", "viewer-rules.yaml"), ("editor", "editor-rules.yaml")):
        assert pick(objects, "ClusterRole", f"population-{name}")["rules"] == rules(file)


def test_namespaced_it_has_the_same_rights_there_and_asks_for_none_on_the_cluster(
    helm: Helm,
) -> None:
    objects = helm.objects(MATRIX["namespaced"])
    assert not CLUSTER_KINDS & {one["kind"] for one in objects}
    given = {
        one["metadata"]["namespace"]: one["rules"]
        for one in objects
        if one["kind"] == "Role" and one["metadata"]["name"] == "pop-population-operator"
    }
    assert given == {"team-a": rules("rules.yaml"), "team-b": rules("rules.yaml")}
    arguments = pick(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--namespaces=team-a,team-b" in arguments


def test_no_right_of_the_operator_reads_a_secret_or_enters_a_pod() -> None:
    for rule in (*rules("rules.yaml"), *rules("own-rules.yaml"), *rules("cleanup-rules.yaml")):
        assert "*" not in (*rule["resources"], *rule["verbs"], *rule["apiGroups"])
        assert not any(one.startswith("pods/") for one in rule["resources"])
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["create"]


@pytest.mark.parametrize("keep", [True, False])
def test_the_crds_are_the_generated_ones(helm: Helm, keep: bool) -> None:
    found = {
        one["metadata"]["name"]: one
        for one in helm.objects({"crds": {"keep": keep}})
        if one["kind"] == "CustomResourceDefinition"
    }
    wanted = [yaml.safe_load((ROOT / "crds" / kind.file).read_text()) for kind in KINDS]
    assert set(found) == {one["metadata"]["name"] for one in wanted}
    for one in wanted:
        crd = found[one["metadata"]["name"]]
        assert crd["spec"] == one["spec"]
        policy = crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
        assert policy == ("keep" if keep else None)


def pods(objects: list[Object]) -> list[Object]:
    """Every Pod spec that the chart makes."""
    templates = [o["spec"]["template"] for o in objects if o["kind"] in ("Deployment", "Job")]
    return [one["spec"] for one in (*templates, *(o for o in objects if o["kind"] == "Pod"))]


def test_all_pods_are_restricted_and_read_only(helm: Helm) -> None:
    found = pods(helm.objects({}))
    assert len(found) == 3
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]


def test_who_may_not_read_metrics_is_not_everybody(helm: Helm) -> None:
    objects = helm.objects(MATRIX["guarded"])
    operator = pick(objects, "NetworkPolicy", "pop-population-operator")["spec"]
    assert "ingress" not in operator
    assert set(operator["policyTypes"]) == {"Ingress", "Egress"}
    workers = pick(objects, "NetworkPolicy", "pop-population-operator-workers")["spec"]
    assert len(workers["ingress"]) == 1
    for rule in workers["ingress"]:
        assert rule["from"]


def test_policies_name_the_ports_and_labels_of_the_workers(helm: Helm) -> None:
    from population_operator.adapters.kubernetes import manifests, names

    ports = {manifests.CONTROL_PORT, manifests.METRICS_PORT}
    objects = helm.objects(MATRIX["guarded"])
    operator = pick(objects, "NetworkPolicy", "pop-population-operator")["spec"]
    to_workers = operator["egress"][1]
    labels = {names.MANAGED_BY: names.MANAGER}
    assert {one["port"] for one in to_workers["ports"]} == ports
    assert to_workers["to"][0]["podSelector"] == {"matchLabels": labels}
    workers = pick(objects, "NetworkPolicy", "pop-population-operator-workers")["spec"]
    assert workers["podSelector"] == {"matchLabels": labels}
    assert {one["port"] for one in workers["ingress"][0]["ports"]} == ports


def test_the_policy_covers_the_hooks_pods(helm: Helm) -> None:
    objects = helm.objects({})
    selected = pick(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items()
    labels = [pick(objects, "Pod")["metadata"]["labels"]]
    labels += [
        pick(objects, k)["spec"]["template"]["metadata"]["labels"] for k in ("Deployment", "Job")
    ]
    assert all(selected <= one.items() for one in labels)
    of_service = pick(objects, "Service")["spec"]["selector"].items()
    assert [of_service <= one.items() for one in labels] == [False, True, False]


OWN = (
    "helm.sh/chart",
    *(f"app.kubernetes.io/{one}" for one in ("name", "instance", "component", "version")),
    *(f"app.kubernetes.io/{one}" for one in ("managed-by", "part-of")),
)


def labels_of(one: Object) -> list[dict[str, str]]:
    """Its labels, and those of the Pods that it makes."""
    template = one.get("spec", {}).get("template")
    return [part["metadata"]["labels"] for part in (one, template) if part]


def test_nobodys_labels_take_the_place_of_the_charts_own(helm: Helm) -> None:
    """A key that stands twice is an error to some readers; to others the last one counts."""

    def rendered(labels: Object, pods: Object, monitors: Object) -> list[Object]:
        kinds = ("serviceMonitor", "podMonitor", "rules", "dashboard")
        metrics = {kind: {"enabled": True, "labels": monitors} for kind in kinds}
        values = {"commonLabels": labels, "podLabels": pods, "metrics": metrics}
        return read_yaml(helm.text(values | {"crds": {"enabled": False}}))

    def own(objects: list[Object]) -> list[list[dict[str, str]]]:
        labels = [labels_of(one) for one in objects]
        return [[{k: v for k, v in part.items() if k in OWN} for part in one] for one in labels]

    mine = dict.fromkeys(OWN, "mine")
    objects = rendered(mine | {"team": "all"}, mine | {"team": "pods"}, mine | {"team": "monitors"})
    assert own(objects) == own(rendered({}, {}, {}))
    assert [one["team"] for one in labels_of(pick(objects, "Deployment"))] == ["all", "pods"]
    assert [one["team"] for one in labels_of(pick(objects, "ServiceMonitor"))] == ["monitors"]


def test_one_replica_can_be_drained(helm: Helm) -> None:
    assert "PodDisruptionBudget" not in {one["kind"] for one in helm.objects({})}
    assert pick(helm.objects({"replicas": 2}), "PodDisruptionBudget")["spec"]["minAvailable"] == 1


def test_the_test_trains_the_example() -> None:
    ours, example = FILES / "triangle" / "train.py", ROOT / "examples" / "triangle" / "train.py"
    assert ours.read_bytes() == example.read_bytes(), "make crds copies it"


LONG = "the-release-of-my-team-with-a-name-that-goes-on-a-lot"
"""As long as Helm takes one, and with a hyphen where the name of the test ends."""


@pytest.mark.parametrize(
    ("values", "release"), [({}, "pop"), (MATRIX["placed"], "pop"), ({}, LONG)]
)
def test_the_test_submits_a_valid_experiment(helm: Helm, values: Object, release: str) -> None:
    from population_operator.api import parse

    objects = helm.objects(values, release)
    text = next(
        one["data"]["experiment.yaml"]
        for one in objects
        if one["kind"] == "ConfigMap" and "experiment.yaml" in one["data"]
    )
    name = parse(yaml.safe_load(text)).metadata.name
    assert name.endswith("-test")
    assert pick(objects, "Role", name)["rules"][1]["resourceNames"] == [name]
    assert pick(objects, "Pod", name)["spec"]["serviceAccountName"] == name


def test_the_dashboard_is_the_generated_one() -> None:
    spec = importlib.util.spec_from_file_location("dashboard", ROOT / "helm" / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (FILES / "dashboard.json").read_text() == module.rendered(), "make dashboard"
