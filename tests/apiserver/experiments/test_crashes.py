"""Operators, workers, nodes and the API server die: nothing is lost, nothing is decided twice."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.apiserver.cluster import Cluster
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.conftest import StartOperator
from tests.apiserver.experiments.experiment import Experiment, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until
from tests.builders import ExperimentBuilder

SEED, KILLS = 11, 20
PB2_KILLS = 4


@pytest.mark.parametrize(("algorithm", "wished"), [("pbt", KILLS), ("pb2", PB2_KILLS)])
def test_kills_of_the_operator_change_no_decision(
    namespace: Namespace, operator: OperatorProcess, algorithm: str, wished: int
) -> None:
    def run_of(name: str) -> ExperimentBuilder:
        builder = triangle().set("metadata.name", name).steps(20, 200)
        return builder.set("spec.algorithm", {"pb2": {}}) if algorithm == "pb2" else builder

    undisturbed = Experiment.create(namespace, run_of("undisturbed"))
    undisturbed.wait("Complete")
    wanted = undisturbed.decisions()
    assert any("expected" in decision for decision in wanted) == (algorithm == "pb2")
    undisturbed.delete()
    until(lambda: not undisturbed.entries(), "it is gone with its journal")

    rng, kills, number = random.Random(SEED), 0, 0
    slowest = 0.0
    while kills < wished:
        number += 1
        experiment = Experiment.create(namespace, run_of(f"run-{number}"))
        while kills < wished and experiment.condition("Complete").get("status") != "True":
            before = len(experiment.entries())
            until(
                lambda e=experiment, b=before: len(e.entries()) > b or e.state().phase.ended,
                "the operator decides",
                15,
            )
            time.sleep(rng.uniform(0, 0.4))
            if experiment.state().phase.ended:
                break
            operator.kill()
            kills += 1
            killed = time.monotonic()
            before = len(experiment.entries())
            operator.start()
            until(
                lambda e=experiment, b=before: len(e.entries()) > b or e.state().phase.ended,
                f"back and deciding after kill {kills} (seed {SEED})",
                10,
            )
            slowest = max(slowest, time.monotonic() - killed)
        experiment.wait("Complete")
        experiment.check()
        assert experiment.decisions() == wanted
        names = [pod["metadata"]["name"] for pod in experiment.pods()]
        assert len(names) == len(set(names))
        experiment.delete()
        until(lambda e=experiment: not e.entries(), "it is gone")
    print(f"{kills} kills, at most {slowest:.1f} s until the next entry")


def test_lost_pods_are_not_charged(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    """Deleted, evicted and killed: the member goes on from its last checkpoint."""
    experiment = Experiment.create(namespace, triangle().steps(20, 600))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    first = experiment.running()[0]["metadata"]["name"]
    namespace.client.delete(namespace.path("pods", first), grace=0)
    until(lambda: len(experiment.running()) == 2, "another one runs")
    second = experiment.running()[0]["metadata"]["name"]
    cluster.node_of(namespace.name, second).evict(f"{namespace.name}/{second}")
    experiment.wait("Complete", 120)
    experiment.check()
    gone = [e for entry in experiment.entries() for e in entry.observed if e.kind == "gone"]
    assert len(gone) >= 2
    assert not any(e.cause.charged for e in gone)
    failed = [
        e for entry in experiment.entries() for e in entry.decided if e.kind == "member_failed"
    ]
    assert not failed
    assert {m.step for m in experiment.state().members.values()} == {600}


def test_a_container_that_is_killed_is_charged_and_goes_on(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    experiment = Experiment.create(namespace, triangle().steps(20, 400))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    pod = experiment.running()[0]["metadata"]["name"]
    cluster.node_of(namespace.name, pod).out_of_memory(f"{namespace.name}/{pod}")
    experiment.wait("Complete", 120)
    experiment.check()
    causes = {
        str(e.cause) for entry in experiment.entries() for e in entry.observed if e.kind == "gone"
    }
    assert "OutOfMemory" in causes


def test_a_second_replica_takes_over_and_a_paused_one_does_no_harm(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    first = start_operator("operator-0")
    until(lambda: "holds the lease" in first.text(), "the first one holds the lease")
    second = start_operator("operator-1")
    experiment = Experiment.create(namespace, triangle().steps(20, 1000))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    assert "holds the lease" not in second.text()
    first.signal(signal.SIGSTOP)
    until(lambda: "holds the lease" in second.text(), "the second one takes over", 15)
    before = len(experiment.entries())
    until(lambda: len(experiment.entries()) > before, "and decides", 15)
    first.signal(signal.SIGCONT)
    assert first.process is not None
    assert first.process.wait(15) == 1, "it notices that it lost the lease, and ends"
    experiment.wait("Complete", 120)
    experiment.check()


def test_a_leader_that_is_told_to_stop_hands_over_at_once(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    first = start_operator("operator-0")
    until(lambda: "holds the lease" in first.text(), "the first one holds the lease")
    second = start_operator("operator-1")
    until(second.ready, "the second one waits, and is ready")
    assert first.stop() == 0
    until(lambda: "holds the lease" in second.text(), "the second one takes over", 6)
