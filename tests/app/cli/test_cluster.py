"""A cluster's commands before any cluster is asked: the kubeconfig."""

from __future__ import annotations

from pathlib import Path

import pytest

from population_operator.adapters.kubernetes import client
from population_operator.app.cli import run_command
from population_operator.app.cli.errors import BAD_INPUT
from tests.app.cli.test_commands import complaint

CLUSTER = "https://127.0.0.1:1"
KUBECONFIG = f"""
apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{CLUSTER}", certificate-authority-data: abc}}}}]
users: [{{name: u, user: {{}}}}]
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty, or lacks what a kubeconfig has"),
        ("some words", "is empty, or lacks what a kubeconfig has"),
        ("contexts: 5", "is empty, or lacks what a kubeconfig has"),
        ("a: [", "is no kubeconfig: "),
        (KUBECONFIG, "is no kubeconfig: "),  # Its certificate is no base64.
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_broken_kubeconfig_is_named(
    text: str,
    told: str,
    named: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "NAMESPACE_FILE", tmp_path / "nowhere")
    monkeypatch.setenv("KUBECONFIG", "/nowhere" if named else str(file))
    flag = ["--kubeconfig", str(file)] if named else []
    assert run_command(["status", "digits", *flag]) == BAD_INPUT
    line = complaint(capsys)
    assert f"no cluster is configured: {file} {told}" in line
    assert "set KUBECONFIG, or give --kubeconfig" in line
