"""Every object of the chart passes a strict server-side dry run: stricter than any schema file.

Unknown fields are errors, validation and admission are the real server's. The kinds of the
Prometheus operator are its own CRDs.
"""

from __future__ import annotations

import pytest
import yaml

from tests.apiserver.cluster import Cluster
from tests.apiserver.cluster.kubectl import KubectlFailed
from tests.chart import programs
from tests.chart.helm import Helm, Object
from tests.chart.matrix import MATRIX

# What Helm 3 renders is compared with it in tests/chart.
pytestmark = pytest.mark.parametrize("helm", [4], ids=["helm4"], indirect=True)

TEAMS = ("team-a", "team-b")


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> None:
    for team in TEAMS:
        cluster.kubectl("create", "namespace", team)
    files = [argument for file in programs.monitoring_kinds() for argument in ("-f", str(file))]
    cluster.kubectl("apply", "--server-side", *files)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *files)


def dry_run(cluster: Cluster, objects: list[Object]) -> str:
    text = yaml.safe_dump_all(objects)
    return cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text
    )


@pytest.mark.parametrize("name", MATRIX)
def test_the_server_accepts_everything(
    cluster: Cluster, prepared: None, restricted: str, helm: Helm, name: str
) -> None:
    objects = helm.objects(MATRIX[name], namespace=restricted)
    for pod in (one for one in objects if one["kind"] == "Pod"):
        pod["spec"].pop("serviceAccountName")  # It is not there in a dry run.
    answer = dry_run(cluster, objects)
    assert answer.count("serverside-applied (server dry run)") == len(objects)


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_the_pods_are_admitted_as_restricted(
    cluster: Cluster, prepared: None, restricted: str, helm: Helm, kind: str
) -> None:
    # Admission looks at Pods; of a Deployment or a Job it only warns.
    for one in helm.objects({}, namespace=restricted):
        if one["kind"] == kind:
            template = one["spec"]["template"]
            metadata = {"name": "admitted", "namespace": restricted}
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": template["spec"],
            }
            pod["spec"].pop("serviceAccountName")
            dry_run(cluster, [pod])
            pod["spec"]["hostNetwork"] = True
            with pytest.raises(KubectlFailed, match="restricted"):
                dry_run(cluster, [pod])


def test_a_misspelt_field_would_be_seen(
    cluster: Cluster, prepared: None, restricted: str, helm: Helm
) -> None:
    objects = helm.objects({}, namespace=restricted)
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(KubectlFailed, match="livenesProbe"):
        dry_run(cluster, [deployment])
