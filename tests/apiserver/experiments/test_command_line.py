"""`population status NAME` and its kin read a cluster, as users with and without rights.

Inputs: an experiment that the operator ran; kubeconfigs of ServiceAccounts. Outputs: what stands on
stdout and stderr, and exit codes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from population_operator.app.cli import run_command
from population_operator.app.cli.errors import BAD_INPUT, COMPLETE, FAILED
from tests.apiserver.cluster import credentials
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import Experiment, triangle
from tests.apiserver.experiments.operator_process import RBAC, RULES, OperatorProcess

Text = pytest.CaptureFixture[str]
COMMANDS = ("status", "report", "schedule", "lineage", "verify")


@pytest.fixture
def user(namespace: Namespace) -> Callable[..., str]:
    """`user("reads", rules)`: the kubeconfig of a ServiceAccount with these rights."""

    def kubeconfig(name: str, rules: list[dict[str, object]]) -> str:
        namespace.create("serviceaccounts", {"metadata": {"name": name}})
        namespace.create("roles", {"metadata": {"name": name}, "rules": rules}, RBAC)
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace.name}],
        }
        namespace.create("rolebindings", binding, RBAC)
        plane = namespace.cluster.control_plane
        return str(plane.service_account_kubeconfig(namespace.name, name))

    return kubeconfig


def viewer() -> list[dict[str, object]]:
    rules: list[dict[str, object]] = yaml.safe_load((RULES / "viewer-rules.yaml").read_text())
    return rules


def told(capsys: Text) -> str:
    """The one line on stderr."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err.strip()


def test_a_viewer_reads_everything(
    namespace: Namespace,
    operator: OperatorProcess,
    user: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Text,
) -> None:
    experiment = Experiment.create(namespace, triangle().steps(20, 100))
    experiment.wait("Complete", 90)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", user("reads", viewer()))

    assert run_command(["status", "triangle"]) == COMPLETE
    out = capsys.readouterr().out
    best = experiment.status()["best"]
    assert f"by {best['member']} at step {best['step']}" in out
    for member in ("m0", "m1", "m2", "m3"):
        assert member in out
    (row,) = [line for line in out.splitlines() if line.startswith("Complete")]
    assert row.split()[1] == "True"
    assert "MaxStepsReached" in row

    assert run_command(["status", "triangle", "-n", namespace.name, "-o", "json"]) == COMPLETE
    result = json.loads(capsys.readouterr().out)
    assert result["phase"] == "Complete"
    assert result["best"]["checkpoint"] == best["checkpoint"]
    assert result["best"]["checkpoint"].startswith("pvc://shared/")
    assert [c["type"] for c in result["conditions"]][:2] == ["Ready", "Progressing"]
    assert result["conditions"][0]["observedGeneration"] == 1
    assert result["decisions"] == experiment.decisions()

    assert run_command(["verify", "triangle"]) == COMPLETE
    entries = len(experiment.entries())
    assert capsys.readouterr().out.startswith(f"{namespace.name}/triangle: {entries} entries")
    assert run_command(["schedule", "triangle", "-o", "json"]) == COMPLETE
    assert json.loads(capsys.readouterr().out) == result["schedule"]
    assert run_command(["lineage", "triangle"]) == COMPLETE
    assert best["member"] in capsys.readouterr().out
    assert run_command(["report", "triangle"]) == COMPLETE
    assert capsys.readouterr().out.strip() == "triangle-report.html"
    assert "triangle" in (tmp_path / "triangle-report.html").read_text()


def test_a_folder_that_exists_is_a_folder(
    namespace: Namespace,
    kinds: None,
    user: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Text,
) -> None:
    Experiment.create(namespace, triangle())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", user("reads", viewer()))
    assert run_command(["status", "triangle"]) == COMPLETE
    assert "no operator has seen this experiment" in capsys.readouterr().out
    assert run_command(["verify", "triangle"]) == BAD_INPUT
    assert told(capsys).endswith("triangle: has not begun: does the operator run?")
    (tmp_path / "triangle").mkdir()
    assert run_command(["status", "triangle"]) == BAD_INPUT
    assert "triangle: holds no run" in told(capsys)
    assert run_command(["status", "triangle", "-n", namespace.name]) == COMPLETE


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_missing_is_told_in_one_line(
    command: str,
    namespace: Namespace,
    kinds: None,
    user: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Text,
) -> None:
    monkeypatch.chdir(tmp_path)
    reads = ["--kubeconfig", user("reads", viewer())]
    assert run_command([command, "other", *reads]) == BAD_INPUT
    line = told(capsys)
    assert line == f"other: no such experiment in namespace {namespace.name}, which has none"
    Experiment.create(namespace, triangle())
    assert run_command([command, "other", *reads]) == BAD_INPUT
    assert told(capsys).endswith(": there is triangle")

    objects = [{**viewer()[0], "resources": ["populationexperiments"]}]
    partial = ["--kubeconfig", user("partial", objects)]
    assert run_command([command, "triangle", *partial]) == FAILED
    line = told(capsys)
    assert "you may not list populationjournals.population-operator.io" in line
    assert f"in namespace {namespace.name}" in line
    assert "`list`" in line
    assert "population-viewer" in line

    nothing = ["--kubeconfig", user("nothing", [])]
    assert run_command([command, "triangle", *nothing]) == FAILED
    assert "you may not get populationexperiments.population-operator.io" in told(capsys)


def test_another_namespace_is_named_to_those_who_may_look(
    namespace: Namespace, kinds: None, tmp_path: Path, capsys: Text
) -> None:
    Experiment.create(namespace, triangle().set("metadata", {"name": "elsewhere"}))
    admin = ["--kubeconfig", str(namespace.cluster.kubeconfig)]
    assert run_command(["status", "elsewhere", *admin, "-n", "kube-public"]) == BAD_INPUT
    assert told(capsys).endswith(f": there is one in {namespace.name} (-n {namespace.name})")


def test_no_cluster(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Text
) -> None:
    monkeypatch.chdir(tmp_path)
    text = Path(namespace.cluster.kubeconfig).read_text()
    port = str(namespace.cluster.control_plane.port)
    away = tmp_path / "away"
    away.write_text(text.replace(port, "9"))
    assert run_command(["status", "triangle", "--kubeconfig", str(away)]) == FAILED
    assert told(capsys) == "cannot reach the cluster at https://127.0.0.1:9: connection refused"
    stranger = tmp_path / "stranger"
    token = namespace.cluster.control_plane.credentials.tokens[credentials.ADMIN]
    stranger.write_text(text.replace(token, "not-a-token"))
    assert run_command(["status", "triangle", "--kubeconfig", str(stranger)]) == FAILED
    assert "credentials" in told(capsys)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert run_command(["status", "triangle"]) == BAD_INPUT
    line = told(capsys)
    assert "no cluster is configured" in line
    assert "nor is triangle a folder" in line


def test_it_runs_as_a_plugin_of_kubectl(namespace: Namespace, kinds: None, tmp_path: Path) -> None:
    kubectl = namespace.cluster.binaries.kubectl
    plugins = Path(sys.executable).parent
    done = subprocess.run(
        [kubectl, "population", "status", "none", "-n", namespace.name],
        env={"PATH": f"{plugins}:/usr/bin:/bin", "KUBECONFIG": str(namespace.cluster.kubeconfig)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == BAD_INPUT, done.stderr
    assert f"none: no such experiment in namespace {namespace.name}" in done.stderr
