"""The API server goes, nodes are drained, Pods vanish unseen: training goes on where it was."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from tests.apiserver.cluster import Cluster
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.conftest import StartOperator
from tests.apiserver.experiments.experiment import Experiment, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until

OUTAGE = 30.0


def waits(address: str) -> bool:
    """Whether the worker there has reported, and says that it waits for a directive."""
    try:
        with urllib.request.urlopen(f"http://{address}:9090/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return False  # It starts.
    if not any(line.startswith("population_report_step{") for line in lines):
        return False
    return any(line.startswith("population_waiting{") and line.endswith(" 1.0") for line in lines)


def keep_alive(operator: OperatorProcess) -> None:
    """The kubelet's part: an operator that lost its lease has ended."""
    if operator.process is not None and operator.process.poll() is not None:
        operator.start()


def reports(experiment: Experiment) -> list[tuple[str, int, int]]:
    """(member, step, directive) of every report, in the order of the journal."""
    return [
        (event.report.member, event.report.step, event.report.directive)
        for entry in experiment.entries()
        for event in entry.observed
        if event.kind == "report"
    ]


def assert_nothing_is_charged(experiment: Experiment) -> None:
    entries = experiment.entries()
    gone = [e for entry in entries for e in entry.observed if e.kind == "gone"]
    assert gone
    assert not any(e.cause.charged for e in gone), gone
    assert not [e for entry in entries for e in entry.decided if e.kind == "member_failed"]


def test_the_api_server_is_away_for_half_a_minute(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster, volume: Path
) -> None:
    """Workers finish what they may and wait; nothing is lost; decisions resume by themselves."""
    experiment = Experiment.create(namespace, triangle(4, 2).steps(20, 400))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    addresses = [pod["status"]["podIP"] for pod in experiment.running()]
    assert len(addresses) == 2
    uid = experiment.body()["metadata"]["uid"]
    before = reports(experiment)
    cluster.control_plane.stop_apiserver()
    stopped = time.monotonic()
    try:
        until(lambda: all(map(waits, addresses)), "both have done what they may, and wait", 20)
        trained = {
            (path.parent.parent.name, path.parent.name)
            for path in (volume / uid).glob("m*/*-*/manifest.json")
            if not json.loads(path.read_text()).get("copied_from")
        }
        while time.monotonic() < stopped + OUTAGE:
            keep_alive(operator)
            time.sleep(0.5)  # The outage itself.
        assert all(map(waits, addresses)), "they wait as long as it takes"
    finally:
        cluster.control_plane.start_apiserver()
    back = time.monotonic()

    def decides() -> bool:
        keep_alive(operator)
        return len(reports(experiment)) > len(before) + 2

    until(decides, "decisions resume by themselves", 30)
    print(f"decisions resumed {time.monotonic() - back:.1f} s after the API server was back")
    heard = {(member, f"{directive}-{step}") for member, step, directive in reports(experiment)}
    assert trained
    assert trained <= heard, "what was trained meanwhile was reported"
    experiment.wait("Complete", 120)
    experiment.check()
    assert {m.step for m in experiment.state().members.values()} == {400}
    steps = [(member, step) for member, step, _ in reports(experiment)]
    assert len(steps) == len(set(steps)), "nothing was trained twice"


def test_a_pod_that_is_deleted_unseen_is_noticed(
    namespace: Namespace, start_operator: StartOperator, cluster: Cluster
) -> None:
    """While the operator's watch is broken, as it is while the API server is away."""
    operator = start_operator()
    experiment = Experiment.create(namespace, triangle(4, 2).steps(20, 1500))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    pod = experiment.running()[0]["metadata"]
    operator.signal(signal.SIGSTOP)
    try:
        cluster.control_plane.stop_apiserver()
        cluster.control_plane.start_apiserver()
        namespace.client.delete(namespace.path("pods", pod["name"]), grace=0)
        until(lambda: namespace.pod(pod["name"]) is None, "it is gone")
    finally:
        operator.signal(signal.SIGCONT)

    def noticed() -> bool:
        keep_alive(operator)
        gone = [e for entry in experiment.entries() for e in entry.observed if e.kind == "gone"]
        return bool(gone)

    until(noticed, "it is noticed", 30)
    # Whether it also runs before the other has done all the work is up to a scheduler that has
    # just lost its API server, too.
    successor = pod["name"].removesuffix("-1") + "-2"
    until(lambda: namespace.pod(successor) is not None, "another one stands in its place")
    experiment.wait("Complete", 120)
    experiment.check()
    assert_nothing_is_charged(experiment)
    assert {m.step for m in experiment.state().members.values()} == {1500}


def test_a_drained_node_costs_no_restart(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    """`kubectl drain`: cordon, then the eviction API. Members go on from their checkpoints."""
    experiment = Experiment.create(namespace, triangle(2, 2).steps(20, 600))
    # A Pod that is pending is just deleted, which is another cause.
    until(lambda: len(experiment.running()) == 2, "both run", 60)
    until(lambda: len(experiment.entries()) > 8, "they train")
    node = experiment.running()[0]["spec"]["nodeName"]
    there = [p["metadata"]["name"] for p in experiment.running() if p["spec"]["nodeName"] == node]
    selector = "--pod-selector=population-operator.io/experiment=triangle"
    try:
        cluster.kubectl("drain", node, "--delete-emptydir-data", "--timeout=30s", selector)
        until(lambda: len(experiment.running()) == 2, "others run")
        running = {p["metadata"]["name"]: p["spec"]["nodeName"] for p in experiment.running()}
        assert node not in running.values()
        assert not set(there) & running.keys()
        experiment.wait("Complete", 120)
    finally:
        cluster.kubectl("uncordon", node)
    experiment.check()
    assert_nothing_is_charged(experiment)
    causes = {str(e.cause) for n in experiment.entries() for e in n.observed if e.kind == "gone"}
    assert causes <= {"Preempted", "Evicted"}, causes
    state = experiment.state()
    assert {m.step for m in state.members.values()} == {600}
    assert all(m.failures == m.replacements == 0 for m in state.members.values())
    for name in state.members:
        steps = [step for member, step, _ in reports(experiment) if member == name]
        assert steps == list(range(20, 620, 20)), "no interval was lost or trained again"


def test_another_operator_finds_workers_warm_in_a_long_interval(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """They have nothing to say for longer than it takes to try whether they are scraped."""
    experiment = Experiment.create(namespace, triangle(2, 2).steps(8000, 16000))
    until(lambda: len(reports(experiment)) == 2, "both have reported once", 60)
    before = {pod["metadata"]["uid"] for pod in experiment.running()}
    operator.kill()
    operator.start()
    experiment.wait("Complete", 60)
    state = experiment.state()
    assert len(before) == 2
    assert [(w.incarnation, w.warm) for w in state.workers.values()] == [(1, True)] * 2
    experiment.check()


@pytest.mark.parametrize("journaled", [2, 0])
def test_reports_that_lie_ready_are_taken_in_before_anybody_is_a_straggler(
    namespace: Namespace, operator: OperatorProcess, journaled: int
) -> None:
    """No operator for longer than `stragglerTimeout`."""
    timeout = 12.0
    builder = triangle(2, 2).steps(3000, 9000)
    builder = builder.set("spec.schedule.stragglerTimeout", f"{timeout:g}s")
    experiment = Experiment.create(namespace, builder)
    until(lambda: len(experiment.running()) == 2, "both run", 60)
    addresses = [pod["status"]["podIP"] for pod in experiment.running()]
    until(lambda: all(w.started for w in experiment.state().workers.values()), "it is known", 20)
    until(lambda: len(reports(experiment)) >= journaled, "they have reported", 60)
    until(lambda: not any(map(waits, addresses)), "they train", 20)
    operator.kill()
    killed = time.monotonic()
    until(lambda: all(map(waits, addresses)), "both have done what they may, and wait", 30)
    until(lambda: time.monotonic() > killed + timeout + 1, "the time is over", 30)
    operator.start()
    experiment.wait("Complete", 60)
    decided = [event for entry in experiment.entries() for event in entry.decided]
    assert not [event for event in decided if event.kind in ("straggled", "member_failed")]
    experiment.check()
