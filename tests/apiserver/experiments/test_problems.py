"""What keeps workers from running: a condition with the cause, cleared when it heals."""

from __future__ import annotations

import copy

from population_operator.core.history import history
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import PROGRAMS, Experiment, template, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until
from tests.builders import ExperimentBuilder
from tests.runs.support import PROGRAMS as OF_RUNS


def with_container(builder: ExperimentBuilder, **changes: object) -> ExperimentBuilder:
    found = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    found["spec"]["containers"][0] |= changes
    return builder.set("spec.worker", {"template": found})


def test_fewer_gpus_than_asked_for(namespace: Namespace, operator: OperatorProcess) -> None:
    """Six Pods want a GPU, four are there: training goes on with those, and ends."""
    experiment = Experiment.create(namespace, triangle(6, 6).steps(20, 400))
    found = experiment.wait("Ready", 40, reason="Unschedulable", status="False")
    message = next(c for c in found["status"]["conditions"] if c["type"] == "Ready")["message"]
    assert "Insufficient nvidia.com/gpu" in message
    experiment.wait("Complete", 150)
    experiment.check()


def test_an_image_that_cannot_be_pulled(namespace: Namespace, operator: OperatorProcess) -> None:
    builder = with_container(triangle(2, 1), image="no-such-image:1")
    experiment = Experiment.create(namespace, builder)
    experiment.wait("Ready", 40, reason="ImagePull", status="False")


def test_a_claim_that_is_not_there(namespace: Namespace, operator: OperatorProcess) -> None:
    """It is told, and cleared when the claim appears."""
    builder = triangle(2, 1).steps(20, 60).set("spec.storage", {"claimName": "other"})
    experiment = Experiment.create(namespace, builder)
    found = experiment.wait("Ready", 40, reason="ClaimMissing", status="False")
    assert "other" in str(found["status"]["conditions"])
    namespace.shared(namespace.cluster.folder / f"{namespace.name}-other", "other")
    experiment.wait("Complete", 90)


def test_a_quota_that_is_used_up(namespace: Namespace, operator: OperatorProcess) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    namespace.create("resourcequotas", quota)
    until(
        lambda: namespace.client.get(namespace.path("resourcequotas", "none")).get("status"),
        "the quota holds",
    )
    experiment = Experiment.create(namespace, triangle(2, 1).steps(20, 60))
    experiment.wait("Ready", 40, reason="QuotaExceeded", status="False")
    namespace.client.delete(namespace.path("resourcequotas", "none"))
    experiment.wait("Complete", 90)


def test_a_gated_pod_is_queued(namespace: Namespace, operator: OperatorProcess) -> None:
    builder = triangle(2, 1).steps(20, 60)
    found = copy.deepcopy(builder.manifest["spec"]["worker"]["template"])
    found["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    found["metadata"] = {"labels": {"kueue.x-k8s.io/queue-name": "gpus"}}
    experiment = Experiment.create(namespace, builder.set("spec.worker", {"template": found}))
    experiment.wait("Ready", 40, reason="Queued", status="False")
    pod = experiment.pods()[0]
    assert pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    gates = [{"op": "remove", "path": "/spec/schedulingGates"}]
    namespace.client.patch(namespace.path("pods", pod["metadata"]["name"]), gates, "json")
    experiment.wait("Complete", 90)


def test_a_program_with_nothing_but_metrics(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """It is scraped, and each of its directives is a new Pod."""
    builder = (
        triangle(2, 2)
        .steps(20, 40)
        .set("spec.objective", {"metric": "loss", "goal": "minimize"})
        .set("spec.worker", {"template": template(PROGRAMS / "exporter.py")})
    )
    experiment = Experiment.create(namespace, builder)
    experiment.wait("Complete", 120)
    experiment.check()
    state = experiment.state()
    assert {m.step for m in state.members.values()} == {40}
    assert all(w.incarnation >= 2 for w in state.workers.values())


def test_a_program_without_the_metric_is_told(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    builder = triangle(2, 1).set("spec.worker", {"template": template(PROGRAMS / "exporter.py")})
    experiment = Experiment.create(namespace, builder.set("spec.objective.metric", "accuracy"))
    experiment.wait("Ready", 60, reason="MetricMissing", status="False")
    message = experiment.condition("Ready")["message"]
    assert "w0: its metrics have no accuracy, which is objective.metric: they have loss" in message


def test_trials_of_workers_that_save_nothing_restart_and_it_is_said(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    pod = template(OF_RUNS / "climb.py", SAVES="no", PACE="0.3")
    builder = (
        triangle(6, 2)
        .set("spec.algorithm", {"asha": {"eta": 2}})
        .steps(10, 40)
        .set("spec.worker", {"template": pod})
    )
    experiment = Experiment.create(namespace, builder)
    experiment.wait("Progressing", 60, reason="TrialsRestart")
    message = experiment.condition("Progressing")["message"]
    assert "a trial starts again from zero whenever it goes on" in message
    experiment.wait("Complete", 60)
    experiment.check()
    promoted = [d for d in experiment.decisions() if d["kind"] == "promote"]
    assert promoted and all(d["from"] is None for d in promoted)
    begun = [r.report.metrics["begun"] for r in history(experiment.entries()).reports]
    assert begun == [0.0] * (6 + len(promoted))
