"""Operator and one worker do not reach each other, while everything else does."""

from __future__ import annotations

import pytest
from tests.apiserver.experiments.operator_process import until

from e2e.chaos import faults
from e2e.chaos.conftest import Start

pytestmark = pytest.mark.needs_nodes


def test_operator_and_a_worker_are_cut_from_each_other(start: Start) -> None:
    trial = start()
    operator = trial.operator()
    worker = trial.worker(lambda pod: pod["spec"]["nodeName"] == trial.quiet_node().name)
    with faults.cut(trial.ours, operator, worker):
        until(lambda: "Unreachable" in trial.causes(), "the worker is given up", 80)
        trial.goes_on()
    trial.survives()
    assert trial.causes() == {"Unreachable"}
