"""A release's whole life: install, test, upgrade, uninstall."""

from __future__ import annotations

import pytest

from tests.apiserver.chart.release import Release
from tests.apiserver.cluster import Cluster
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.operator_process import until
from tests.chart.helm import CHART, HelmFailed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

MASTER = "pop-population-operator-master"
KEPT = {f"secret/{MASTER}"} | {
    f"customresourcedefinition.apiextensions.k8s.io/population{kind}.population-operator.io"
    for kind in ("experiments", "members", "journals")
}


def test_a_second_release_in_a_namespace_is_refused(release: Release) -> None:
    """It would stand by for ever, and nobody would see to what it watches."""
    release.install()
    other = ("--set", "crds.enabled=false,watchNamespaces={default}")
    with pytest.raises(HelmFailed, match=f"pop is in namespace {release.namespace} already"):
        release.run("install", "other", str(CHART), *other)
    release.install(replicas=2)


def test_install_test_upgrade_uninstall(
    release: Release, cluster: Cluster, namespace: Namespace
) -> None:
    release.install()
    assert "Succeeded" in release.run("test", "pop")
    before = release.get("secret", MASTER)["data"]
    release.submit(namespace.name, deletionPolicy="Delete")

    def held() -> bool:
        return "finalizers" in release.get("pexp", "triangle", namespace.name)["metadata"]

    until(held, "the operator watches this namespace, too")
    release.install(replicas=2)
    assert release.get("deployment", "pop-population-operator")["status"]["readyReplicas"] == 2
    assert release.get("secret", MASTER)["data"] == before

    release.run("uninstall", "pop", "--wait")
    until(lambda: release.all() == KEPT, "nothing is left but what is to be kept")
    assert not held()
    cluster.kubectl("delete", "pexp", "triangle", f"-n{namespace.name}", "--timeout=20s")

    release.install()
    assert release.get("secret", MASTER)["data"] == before
