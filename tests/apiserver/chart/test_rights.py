"""With `watchNamespaces` the operator can do nothing elsewhere, and leaves alone what is there."""

from __future__ import annotations

import pytest
import yaml

from tests.apiserver.chart.release import Release
from tests.apiserver.cluster import Cluster
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.operator_process import until
from tests.chart.helm import FILES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

Right = tuple[str, str, str]


def rights(cluster: Cluster, user: str, namespace: str) -> set[Right]:
    """(verb, resource, name) for each line of `kubectl auth can-i --list`."""
    who = f"--as=system:serviceaccount:{user}"
    text = cluster.kubectl(
        "auth", "can-i", "--list", who, f"--namespace={namespace}", "--no-headers"
    )
    found: set[Right] = set()
    for line in text.splitlines():
        resource, _, rest = line.partition(" ")
        _, names, verbs = (part.strip(" []") for part in rest.replace("] ", "]\t").split("\t"))
        for verb in verbs.split():
            found |= {(verb, resource, name) for name in names.split() or [""]}
    return found


def of(file: str) -> set[Right]:
    """The same of a file of rules."""
    found: set[Right] = set()
    for rule in yaml.safe_load((FILES / file).read_text()):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                name, _, sub = resource.partition("/")
                full = f"{name}.{group}" if group else name
                full += f"/{sub}" if sub else ""
                names = rule.get("resourceNames", [""])
                found |= {(verb, full, one) for verb in rule["verbs"] for one in names}
    return found


@pytest.fixture
def watched(cluster: Cluster, namespace: Namespace) -> str:
    namespace.client.create(
        namespace.path("serviceaccounts"), {"metadata": {"name": "nobody-in-particular"}}
    )
    return namespace.name


def test_nothing_outside_what_is_watched(release: Release, cluster: Cluster, watched: str) -> None:
    release.install(watchNamespaces=[watched], crds={"enabled": True})
    operator = f"{release.namespace}:pop-population-operator"
    nobody = f"{watched}:nobody-in-particular"

    def beyond(namespace: str) -> set[Right]:
        """What the operator can do there that no ServiceAccount can do anyway."""
        return rights(cluster, operator, namespace) - rights(cluster, nobody, namespace)

    assert beyond(watched) == of("rules.yaml")
    assert beyond(release.namespace) == of("own-rules.yaml")
    assert beyond("default") == beyond("kube-system") == set()

    release.submit("default")
    release.submit(watched)
    until(lambda: "status" in release.get("pexp", "triangle", watched), "the watched one is seen")
    assert "Succeeded" in release.run("test", "pop")
    assert "status" not in release.get("pexp", "triangle", "default")
    assert "No resources found" in cluster.kubectl(
        "get", "pods,secrets,pmem,populationjournals", "--namespace=default", check=False
    )
    cluster.kubectl("delete", "pexp", "triangle", "--namespace=default", "--timeout=20s")
