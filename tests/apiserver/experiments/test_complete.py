"""`kubectl apply` to Complete: the same core, on a real API server, with real workers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

from tests.apiserver.conftest import Kubectl, Namespace
from tests.apiserver.experiments.experiment import EXAMPLES, Experiment, template, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until


def test_eight_networks_on_four_gpus_decide_as_on_one_machine(
    namespace: Namespace, operator: OperatorProcess, kubectl: Kubectl, tmp_path: Path
) -> None:
    """PyTorch workers: with a seed and in rounds, the decisions are the local runtime's."""
    manifest = yaml.safe_load((EXAMPLES / "digits" / "experiment.yaml").read_text())
    spec = manifest["spec"]
    spec["population"] = {"size": 8, "parallelism": 4, "seed": 5}
    spec["schedule"] |= {"interval": 10, "maxSteps": 40}
    spec["worker"] = {"template": template(EXAMPLES / "digits" / "train.py", OMP_NUM_THREADS="1")}
    spec["storage"] = {"claimName": "shared"}
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    kubectl("wait", "--for=condition=Complete", "pexp/digits", "--timeout=150s")
    experiment = Experiment(namespace, "digits")
    experiment.check()

    local = tmp_path / "digits.yaml"
    del manifest["spec"]["storage"]
    local.write_text(yaml.safe_dump(manifest))
    spec["worker"]["local"] = {
        "command": [sys.executable, str(EXAMPLES / "digits" / "train.py")],
        "env": {"OMP_NUM_THREADS": "1"},
    }
    local.write_text(yaml.safe_dump(manifest))
    command = [sys.executable, "-c", "from population_operator.app.cli import main; main()"]
    subprocess.run(
        [*command, "run", str(local), "-o", str(tmp_path / "run")], check=True, timeout=200,
        capture_output=True,
    )  # fmt: skip
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert experiment.decisions() == result["decisions"]
    assert experiment.status()["best"]["score"] == result["best"]["score"]


def test_kubectl_tells_the_story(
    namespace: Namespace, operator: OperatorProcess, kubectl: Kubectl
) -> None:
    experiment = Experiment.create(namespace, triangle())
    experiment.wait("Complete")
    table = kubectl("get", "pexp").splitlines()
    head = ["NAME", "PHASE", "ALGORITHM", "READY", "MEMBERS", "STEP", "BEST", "AGE"]
    assert table[0].split() == head
    row = dict(zip(head, table[1].split(), strict=True))
    assert (row["PHASE"], row["ALGORITHM"], row["MEMBERS"]) == ("Complete", "pbt", "4")
    assert row["STEP"] == "200/200"
    members = kubectl("get", "pmem", "-o", "wide")
    assert "HYPERPARAMETERS" in members
    assert all(f"triangle-m{i}" in members for i in range(4))
    until(lambda: "Exploit" in kubectl("get", "events"), "Events are there", 10)
    events = kubectl("get", "events", "-o", "wide")
    assert "copies" in events
    assert "->" in events
    assert all(c["observedGeneration"] == 1 for c in experiment.status()["conditions"])


def test_an_unchanged_experiment_is_not_written_to(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """And the status is as large at the end as in the middle, whatever was trained."""
    experiment = Experiment.create(namespace, triangle())
    experiment.wait("Complete")
    until(lambda: experiment.state().cleaned_up, "checkpoints are cleaned up")
    versions = _settled(namespace)
    entries = len(experiment.entries())
    operator.kill()
    operator.start()
    until(lambda: "holds the lease" in operator.text().split("holds the lease", 1)[1], "it works")
    _reconciled(operator)
    assert _versions(namespace) == versions
    assert len(experiment.entries()) == entries
    assert len(json.dumps(experiment.status())) < 3000


def test_one_batch_of_decisions_is_one_write(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    experiment = Experiment.create(namespace, triangle())
    experiment.wait("Complete")
    rounds = [[e for e in entry.decided if e.kind == "decision"] for entry in experiment.entries()]
    assert {len(found) for found in rounds if found} == {4}, "a round is one entry"


def _versions(namespace: Namespace) -> dict[str, str]:
    group = "population-operator.io/v1alpha1"
    found = {}
    for kind in ("populationexperiments", "populationmembers", "populationjournals"):
        for item in namespace.client.items(namespace.path(kind, "", group)):
            found[f"{kind}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


def _settled(namespace: Namespace) -> dict[str, str]:
    """The versions, once they have been the same for three seconds."""
    seen, since = _versions(namespace), time.monotonic()

    def same() -> bool:
        nonlocal seen, since
        now = _versions(namespace)
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > 3

    until(same, "writes have ended", 30)
    return seen


def _reconciled(operator: OperatorProcess) -> None:
    """Wait until the operator has reconciled at least once since its start."""

    def enough() -> bool:
        try:
            url = f"http://127.0.0.1:{operator.port}/metrics"
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        found = re.search(r"^population_operator_reconciles_total (\S+)", text, re.MULTILINE)
        return found is not None and float(found[1]) >= 1

    until(enough, "the first reconcile")
