"""What breaks in the test cluster breaks as in a real one, and heals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.cluster import Cluster, Node
from tests.apiserver.conftest import Kubectl, Namespace
from tests.apiserver.pods import SLEEP, condition, python, ready, reason, state


@pytest.fixture
def spare(cluster: Cluster) -> Iterator[Node]:
    """A node for one test, with a label to select it by."""
    node = cluster.add_node(f"spare-{time.monotonic_ns()}", gpus=1, labels={"spare": "true"})
    yield node
    cluster.remove_node(node.name)


def on_spare(name: str, program: str = SLEEP, seconds: int = 1) -> dict[str, object]:
    manifest = python(name, program)
    manifest["spec"] |= {
        "nodeSelector": {"spare": "true"},
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{key}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": seconds,
            }
            for key in ("not-ready", "unreachable")
        ],
    }
    return manifest


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_of(node: Node, namespace: Namespace, name: str) -> int:
    (pid,) = (
        one["containers"]["main"] for one in node.pods() if one["pod"] == f"{namespace.name}/{name}"
    )
    return int(pid)


def test_a_killed_process(namespace: Namespace, cluster: Cluster) -> None:
    namespace.create("pods", python("victim"))
    namespace.wait_for_pod("victim", "Running")
    cluster.node_of(namespace.name, "victim").signal(f"{namespace.name}/victim")
    found = namespace.wait_for_pod("victim", "Failed")
    assert (state(found)["terminated"]["exitCode"], reason(found)) == (137, "Error")


def test_a_killed_process_takes_its_children_with_it(
    namespace: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    child = "import subprocess, sys, time; subprocess.Popen(['sleep', '4321.5']); time.sleep(99)"
    namespace.create("pods", python("parent", child))
    namespace.wait_for_pod("parent", "Running")

    def sleeping() -> list[str]:
        return [
            path.name
            for path in Path("/proc").glob("[0-9]*")
            if b"4321.5" in _command_line(path) and alive(int(path.name))
        ]

    _until(
        lambda: any(_command_line(Path(f"/proc/{one}")).startswith(b"sleep") for one in sleeping())
    )
    cluster.node_of(namespace.name, "parent").signal(f"{namespace.name}/parent")
    namespace.wait_for_pod("parent", "Failed")
    _until(lambda: not sleeping(), 3)


def test_out_of_memory(namespace: Namespace, cluster: Cluster) -> None:
    namespace.create("pods", python("hungry"))
    namespace.wait_for_pod("hungry", "Running")
    cluster.node_of(namespace.name, "hungry").out_of_memory(f"{namespace.name}/hungry")
    found = namespace.wait_for_pod("hungry", "Failed")
    assert (state(found)["terminated"]["exitCode"], reason(found)) == (137, "OOMKilled")


def test_eviction_through_the_api(namespace: Namespace) -> None:
    namespace.create("pods", python("guest"))
    namespace.wait_for_pod("guest", "Running")
    path = namespace.path("pods", "guest")
    namespace.client.create(
        f"{path}/eviction",
        {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": "guest", "namespace": namespace.name},
        },
    )
    namespace.wait_for_pod("guest", lambda found: not found)


def test_drain(namespace: Namespace, cluster: Cluster, kubectl: Kubectl, spare: Node) -> None:
    namespace.create("pods", on_spare("guest"))
    namespace.wait_for_pod("guest", "Running")
    time.sleep(0.3)
    kubectl("drain", spare.name, "--force", "--ignore-daemonsets", "--timeout=30s")
    assert namespace.pod("guest") is None
    namespace.create("pods", on_spare("later"))
    found = namespace.wait_for_pod("later", lambda one: bool(condition(one, "PodScheduled")))
    assert condition(found, "PodScheduled")["reason"] == "Unschedulable"
    kubectl("uncordon", spare.name)
    namespace.wait_for_pod("later", "Running")


def test_node_pressure(namespace: Namespace, cluster: Cluster) -> None:
    namespace.create("pods", python("guest"))
    namespace.wait_for_pod("guest", "Running")
    cluster.node_of(namespace.name, "guest").evict(f"{namespace.name}/guest")
    found = namespace.wait_for_pod("guest", "Failed")
    assert found["status"]["reason"] == "Evicted"
    assert condition(found, "DisruptionTarget")["reason"] == "TerminationByKubelet"
    namespace.client.delete(namespace.path("pods", "guest"))
    namespace.wait_for_pod("guest", lambda one: not one)


@pytest.mark.slow
def test_a_node_loses_power(namespace: Namespace, cluster: Cluster, spare: Node) -> None:
    namespace.create("pods", on_spare("guest"))
    namespace.wait_for_pod("guest", "Running")
    pid = pid_of(spare, namespace, "guest")
    spare.crash()
    _until(lambda: not alive(pid), 3)
    found = namespace.wait_for_pod(
        "guest", lambda one: "deletionTimestamp" in one.get("metadata", {}), 40
    )
    assert not ready(found)
    time.sleep(1)
    assert namespace.pod("guest") is not None, "nobody is there to confirm its end"
    namespace.client.delete(namespace.path("pods", "guest"), grace=0)
    assert namespace.pod("guest") is None


def test_a_node_reboots(namespace: Namespace, spare: Node) -> None:
    namespace.create("pods", on_spare("once", seconds=300))
    again = on_spare("again", seconds=300)
    again["spec"] |= {"restartPolicy": "Always"}  # type: ignore[operator]
    namespace.create("pods", again)
    for name in ("once", "again"):
        namespace.wait_for_pod(name, ready)
    spare.crash()
    spare.start()
    found = namespace.wait_for_pod("once", "Failed")
    assert reason(found) == "ContainerStatusUnknown"
    found = namespace.wait_for_pod(
        "again", lambda one: one["status"]["containerStatuses"][0]["restartCount"] == 1
    )
    namespace.wait_for_pod("again", ready)


@pytest.mark.slow
def test_a_node_is_cut_off_and_returns(namespace: Namespace, spare: Node) -> None:
    namespace.create("pods", on_spare("guest"))
    namespace.wait_for_pod("guest", "Running")
    pid = pid_of(spare, namespace, "guest")
    spare.partition()
    namespace.wait_for_pod("guest", lambda one: "deletionTimestamp" in one.get("metadata", {}), 40)
    assert alive(pid), "it trains on, unseen"
    spare.heal()
    namespace.wait_for_pod("guest", lambda one: not one, 40)
    _until(lambda: not alive(pid), 3)
    spare.wait_until_ready()


def test_the_api_server_crashes(namespace: Namespace, cluster: Cluster) -> None:
    plane = cluster.control_plane
    for name in ("dies", "lives"):
        namespace.create("pods", python(name))
        namespace.wait_for_pod(name, ready)
    node = cluster.node_of(namespace.name, "dies")
    living = pid_of(cluster.node_of(namespace.name, "lives"), namespace, "lives")
    plane.stop_apiserver()
    node.signal(f"{namespace.name}/dies")
    time.sleep(1)
    plane.start_apiserver()
    found = namespace.wait_for_pod("dies", "Failed")
    assert state(found)["terminated"]["exitCode"] == 137
    assert alive(living)
    namespace.wait_for_pod("lives", ready)
    namespace.create("pods", python("new"))
    namespace.wait_for_pod("new", "Running")


def test_the_api_server_hangs(namespace: Namespace, cluster: Cluster) -> None:
    namespace.create("pods", python("waits"))
    namespace.wait_for_pod("waits", "Running")
    cluster.control_plane.apiserver.pause()
    try:
        time.sleep(2)
    finally:
        cluster.control_plane.apiserver.resume()
    namespace.client.delete(namespace.path("pods", "waits"))
    namespace.wait_for_pod("waits", lambda one: not one)


def _command_line(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""


def _until(holds: object, seconds: float = 10) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
