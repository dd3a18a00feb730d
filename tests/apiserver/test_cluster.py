"""The test cluster itself: what it promises to the tests that stand on it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.apiserver.cluster import ApiError, Cluster, Image
from tests.apiserver.conftest import GPUS, NODES, Kubectl, Namespace
from tests.apiserver.pods import POD_IP, SERVE, SLEEP, condition, pod, python, ready, reason, state


def test_a_pod_serves_on_its_own_address_what_its_claim_and_secret_hold(
    namespace: Namespace, tmp_path: Path
) -> None:
    namespace.shared(tmp_path / "claim")
    namespace.create(
        "secrets", {"metadata": {"name": "token"}, "stringData": {"word": "secret", "other": "x"}}
    )
    program = f"""
import os
word = open("/etc/token/word").read() + os.environ["WORD"] + os.environ["NOTE"]
open("/data/word", "w").write(word)
assert not os.path.exists("/etc/token/other")
{SERVE}"""
    manifest = python(
        "server",
        program,
        gpus=1,
        env=[
            POD_IP,
            {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "token", "key": "word"}}},
            {"name": "NOTE", "value": "$(POD_IP) $$(POD_IP) $(UNKNOWN)"},
        ],
        readinessProbe={"httpGet": {"path": "/word", "port": "web"}, "periodSeconds": 1},
        ports=[{"name": "web", "containerPort": 8080}],
        volumeMounts=[
            {"name": "data", "mountPath": "/data"},
            {"name": "token", "mountPath": "/etc/token", "readOnly": True},
        ],
    )
    items = [{"key": "word", "path": "word"}]
    manifest["spec"]["volumes"] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "shared"}},
        {"name": "token", "secret": {"secretName": "token", "items": items}},
    ]
    namespace.create("pods", manifest)
    found = namespace.wait_for_pod("server", ready)
    address = found["status"]["podIP"]
    with urllib.request.urlopen(f"http://{address}:8080/word", timeout=5) as answer:
        assert answer.read().decode() == f"secretsecret{address} $(POD_IP) $(UNKNOWN)"
    assert (tmp_path / "claim" / "word").exists()
    assert not Path("/data").exists()


def test_the_scheduler_counts_gpus(namespace: Namespace) -> None:
    for index in range(NODES * GPUS + 1):
        namespace.create("pods", python(f"gpu-{index}", gpus=1))
    names = [f"gpu-{index}" for index in range(NODES * GPUS + 1)]

    def unschedulable() -> list[str]:
        found = namespace.client.items(namespace.path("pods"))
        stuck = [one for one in found if condition(one, "PodScheduled").get("status") == "False"]
        assert all(condition(one, "PodScheduled")["reason"] == "Unschedulable" for one in stuck)
        return [one["metadata"]["name"] for one in stuck]

    deadline = time.monotonic() + 20
    while not (stuck := unschedulable()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    first = next(name for name in names if name not in stuck)
    namespace.client.delete(namespace.path("pods", first))
    namespace.wait_for_pod(stuck[0], "Running")


def test_graceful_deletion(namespace: Namespace, kubectl: Kubectl) -> None:
    namespace.create("pods", python("polite"))
    stubborn = python("stubborn", "import time; time.sleep(600)")
    stubborn["spec"]["terminationGracePeriodSeconds"] = 2
    namespace.create("pods", stubborn)
    for name in ("polite", "stubborn"):
        namespace.wait_for_pod(name, "Running")
    deadline = time.monotonic() + 10
    while "up" not in kubectl("logs", "polite"):  # its handler is installed
        assert time.monotonic() < deadline
    began = time.monotonic()
    for name in ("polite", "stubborn"):
        namespace.client.delete(namespace.path("pods", name))
    namespace.wait_for_pod("polite", lambda found: not found)
    assert time.monotonic() - began < 1.5
    assert namespace.pod("stubborn") is not None, "PID 1 without a handler ignores SIGTERM"
    namespace.wait_for_pod("stubborn", lambda found: not found)
    assert 1.9 < time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("program", "phase", "code", "why"),
    [
        ("pass", "Succeeded", 0, "Completed"),
        ("exit(3)", "Failed", 3, "Error"),
        ("open('/dev/termination-log', 'w').write('last words'); exit(1)", "Failed", 1, "Error"),
    ],
)
def test_exit_codes(namespace: Namespace, program: str, phase: str, code: int, why: str) -> None:
    namespace.create("pods", python("short", program))
    found = namespace.wait_for_pod("short", phase)
    assert state(found)["terminated"]["exitCode"] == code
    assert reason(found) == why
    words = "last words" if "last words" in program else None
    assert state(found)["terminated"].get("message") == words
    assert condition(found, "Ready")["status"] == "False"


def test_a_program_that_is_not_there(namespace: Namespace) -> None:
    namespace.create("pods", pod("none", {"name": "main", "image": "host", "command": ["/no"]}))
    found = namespace.wait_for_pod("none", "Failed")
    assert (reason(found), state(found)["terminated"]["exitCode"]) == ("StartError", 128)


def test_restart_policy_and_back_off(namespace: Namespace) -> None:
    always = python("always", "exit(1)")
    always["spec"]["restartPolicy"] = "OnFailure"
    namespace.create("pods", always)
    found = namespace.wait_for_pod("always", lambda one: reason(one) == "CrashLoopBackOff")
    status = found["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["restartCount"] >= 1
    assert found["status"]["phase"] == "Running"


def test_an_unknown_image_is_pulled_once_it_is_there(
    namespace: Namespace, cluster: Cluster
) -> None:
    namespace.create("pods", pod("waits", {"name": "main", "image": "later:1"}))
    found = namespace.wait_for_pod("waits", lambda one: reason(one) == "ErrImagePull")
    assert found["status"]["phase"] == "Pending"
    namespace.wait_for_pod("waits", lambda one: reason(one) == "ImagePullBackOff")
    cluster.images["later:1"] = Image((sys.executable, "-c"), (SLEEP,), {"A": "b"})
    namespace.wait_for_pod("waits", "Running")


def test_a_missing_secret(namespace: Namespace) -> None:
    reference = {"secretKeyRef": {"name": "later", "key": "word"}}
    namespace.create("pods", python("env", env=[{"name": "W", "valueFrom": reference}]))
    mounted = python("mount", volumeMounts=[{"name": "s", "mountPath": "/s"}])
    mounted["spec"]["volumes"] = [{"name": "s", "secret": {"secretName": "later"}}]
    namespace.create("pods", mounted)
    namespace.wait_for_pod("env", lambda one: reason(one) == "CreateContainerConfigError")
    namespace.wait_for_pod("mount", lambda one: reason(one) == "ContainerCreating")
    deadline = time.monotonic() + 10
    while "FailedMount" not in {one["reason"] for one in namespace.events("mount")}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    namespace.create("secrets", {"metadata": {"name": "later"}, "stringData": {"word": "x"}})
    for name in ("env", "mount"):
        namespace.wait_for_pod(name, "Running")


def test_a_missing_claim(namespace: Namespace, tmp_path: Path) -> None:
    manifest = python("waits", volumeMounts=[{"name": "d", "mountPath": "/d"}])
    manifest["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "shared"}}]
    namespace.create("pods", manifest)
    found = namespace.wait_for_pod("waits", lambda one: bool(condition(one, "PodScheduled")))
    assert 'persistentvolumeclaim "shared" not found' in condition(found, "PodScheduled")["message"]
    namespace.shared(tmp_path)
    namespace.wait_for_pod("waits", "Running")


def test_the_default_class_provisions_a_folder(namespace: Namespace) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    namespace.create("persistentvolumeclaims", {"metadata": {"name": "own"}, "spec": spec})
    manifest = python(
        "writes", "open('/d/x', 'w')", volumeMounts=[{"name": "d", "mountPath": "/d"}]
    )
    manifest["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "own"}}]
    namespace.create("pods", manifest)
    namespace.wait_for_pod("writes", "Succeeded")


def test_probes(namespace: Namespace) -> None:
    flag = "import os, sys; sys.exit(not os.path.exists('/tmp/{}'))"
    program = "import os, time; [(time.sleep(1), open('/tmp/' + n, 'w')) for n in ('up', 'ok')]"
    manifest = python(
        "probed",
        f"{program}; time.sleep(600)",
        startupProbe={
            "exec": {"command": [sys.executable, "-c", flag.format("up")]},
            "periodSeconds": 1,
            "failureThreshold": 60,
        },
        readinessProbe={
            "exec": {"command": [sys.executable, "-c", flag.format("ok")]},
            "periodSeconds": 1,
        },
        livenessProbe={"tcpSocket": {"port": 1}, "periodSeconds": 1, "initialDelaySeconds": 4},
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],
    )
    manifest["spec"] |= {
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 1,
    }
    namespace.create("pods", manifest)
    found = namespace.wait_for_pod("probed", "Running")
    assert not found["status"]["containerStatuses"][0]["started"]
    assert not ready(found)
    namespace.wait_for_pod("probed", ready)
    found = namespace.wait_for_pod("probed", "Failed")
    assert state(found)["terminated"]["exitCode"] == 137
    assert {"Unhealthy", "Killing"} <= {one["reason"] for one in namespace.events("probed")}


def test_logs_and_environment_of_nothing_else(namespace: Namespace, kubectl: Kubectl) -> None:
    program = "import os, json; print(json.dumps([dict(os.environ), os.getpid(), os.getcwd()]))"
    namespace.create("pods", python("prints", program, workingDir="/somewhere"))
    namespace.wait_for_pod("prints", "Succeeded")
    env, pid, cwd = json.loads(kubectl("logs", "prints"))
    assert (env["HOSTNAME"], pid, cwd) == ("prints", 1, "/somewhere")
    assert "PYTHONPATH" not in env


def test_a_job_and_the_garbage_collector(namespace: Namespace) -> None:
    template = python("unused", "pass")["spec"]
    job = {"metadata": {"name": "job"}, "spec": {"template": {"spec": template}}}
    namespace.create("jobs", job, "batch/v1")
    path = namespace.path("jobs", "job", "batch/v1")
    namespace.client.wait(path, lambda one: one.get("status", {}).get("succeeded") == 1)
    namespace.client.delete(path, propagationPolicy="Background")
    pods = namespace.path("pods")
    deadline = time.monotonic() + 20
    while namespace.client.items(pods):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_rbac_holds_for_a_service_account(namespace: Namespace, cluster: Cluster) -> None:
    namespace.create("serviceaccounts", {"metadata": {"name": "limited"}})
    token = cluster.control_plane.service_account_token(namespace.name, "limited")
    limited = cluster.control_plane.client_for(token)
    mark = cluster.audit.mark()
    with pytest.raises(ApiError, match="forbidden"):
        limited.get(namespace.path("secrets"))
    (request,) = cluster.audit.since(mark, user=f"{namespace.name}:limited")
    assert (request.verb, request.resource, request.code) == ("list", "secrets", 403)


@pytest.mark.parametrize("isolation", ["root", "user", "none"])
def test_every_kind_of_isolation_shows_the_volumes(
    namespace: Namespace, cluster: Cluster, tmp_path: Path, isolation: str
) -> None:
    """With "none", paths in arguments and variables are rewritten, as nothing can be mounted."""
    node = cluster.add_node(f"isolated-{isolation}", labels={"isolation": isolation})
    namespace.shared(tmp_path)
    manifest = python(
        "writes",
        "import os; open(os.environ['ROOT'] + '/word', 'w').write('written')",
        env=[{"name": "ROOT", "value": "/checkpoints"}],
        volumeMounts=[{"name": "data", "mountPath": "/checkpoints"}],
    )
    manifest["spec"] |= {
        "nodeSelector": {"isolation": isolation},
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "shared"}}],
    }
    try:
        namespace.create("pods", manifest)
        namespace.wait_for_pod("writes", "Succeeded")
    finally:
        cluster.remove_node(node.name)
    assert (tmp_path / "word").read_text() == "written"


def test_a_second_cluster_by_hand_needs_nothing_of_the_first() -> None:
    command = [sys.executable, "-m", "tests.apiserver.cluster", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "build" in done.stdout
