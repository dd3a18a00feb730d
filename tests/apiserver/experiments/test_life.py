"""Suspend, resume, growth, deletion, time to live."""

from __future__ import annotations

import time
from pathlib import Path

from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import Experiment, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until


def test_suspend_and_resume(namespace: Namespace, operator: OperatorProcess) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    experiment.patch({"suspend": True})
    experiment.wait("Suspended", 20)
    until(lambda: not experiment.pods(), "no Pod is left", 20)
    experiment.patch({"suspend": False})
    experiment.wait("Complete")
    experiment.check()


def test_the_operator_ends_at_once_and_in_peace(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    began = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - began < 5
    told = [
        word for word in ("WARNING", "ERROR", "Unclosed", "Traceback") if word in operator.text()
    ]
    assert told == [], operator.text()[-2000:]


def test_it_may_grow_while_it_runs(namespace: Namespace, operator: OperatorProcess) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    experiment.patch({"population": {"size": 5}, "schedule": {"maxSteps": 240}})
    experiment.wait("Complete")
    experiment.check()
    assert {m.step for m in experiment.state().members.values()} == {240}
    assert len(experiment.state().members) == 5


def test_deletion_takes_everything_but_the_checkpoints(
    namespace: Namespace, operator: OperatorProcess, volume: Path
) -> None:
    experiment = Experiment.create(namespace, triangle())
    until(lambda: len(experiment.entries()) > 8, "it trains")
    uid = experiment.body()["metadata"]["uid"]
    assert "finalizers" not in experiment.body()["metadata"]
    experiment.delete()
    until(lambda: namespace.client.find(experiment.path) is None, "it is gone", 10)
    until(lambda: not experiment.pods() and not experiment.entries(), "all is gone", 40)
    assert (volume / uid).is_dir()


def test_deletion_takes_the_checkpoints_too_where_it_should(
    namespace: Namespace, operator: OperatorProcess, volume: Path
) -> None:
    storage = {"claimName": "shared", "deletionPolicy": "Delete"}
    experiment = Experiment.create(namespace, triangle().set("spec.storage", storage))
    until(lambda: len(experiment.entries()) > 8, "it trains")
    uid = experiment.body()["metadata"]["uid"]
    assert (volume / uid).is_dir()
    experiment.delete()
    until(lambda: namespace.client.find(experiment.path) is None, "it is gone", 60)
    assert not (volume / uid).exists()


def test_time_to_live(namespace: Namespace, operator: OperatorProcess) -> None:
    builder = triangle(2, 2).steps(20, 40).set("spec.ttlSecondsAfterFinished", 2)
    experiment = Experiment.create(namespace, builder)
    until(lambda: namespace.client.find(experiment.path) is None, "it has come and gone", 60)
