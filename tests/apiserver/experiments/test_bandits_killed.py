"""The operator and workers are killed while trials climb from rung to rung: nothing is lost."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.apiserver.cluster import Cluster
from tests.apiserver.cluster.client import ApiError
from tests.apiserver.conftest import Namespace
from tests.apiserver.experiments.experiment import Experiment, template
from tests.apiserver.experiments.operator_process import OperatorProcess, until
from tests.builders import an_experiment
from tests.promotions import assert_asha_lost_nothing, assert_same_trials
from tests.runs.support import PROGRAMS

SEED, KILLS = 20180601, 2
"""The moments' seed, and how often each is done: the operator, a worker, a Pod."""

PACE = 0.8
"""Seconds that an interval takes, and the most that a kill waits after an entry."""


def create(
    namespace: Namespace,
    name: str,
    block: dict[str, object],
    pace: float = PACE,
    **population: int,
) -> Experiment:
    """Rungs of 10, 30 and 90 steps, on two Pods; no trial is given up for what is done to it."""
    pod = template(PROGRAMS / "climb.py", PACE=str(pace))
    return Experiment.create(
        namespace,
        an_experiment()
        .set("metadata", {"name": name})
        .set("spec.algorithm", block)
        .set("spec.population", {"parallelism": 2, "seed": 7, **population})
        .steps(10, 90)
        .set("spec.worker", {"template": pod, "maxRestarts": KILLS})
        .set("spec.storage", {"claimName": "shared"}),
    )


def disturb(experiment: Experiment, operator: OperatorProcess, cluster: Cluster) -> None:
    """Kill the operator, a worker's process or its Pod at random moments, until it is Complete."""
    rng = random.Random(SEED)
    victims = ["operator", "process", "pod"] * KILLS
    rng.shuffle(victims)
    for number, victim in enumerate(victims, start=1):
        before, entries, pause = len(experiment.entries()), rng.randint(1, 4), rng.uniform(0, PACE)
        print(f"kill {number} (seed {SEED}): {victim}, {entries} entries and {pause:.3f} s later")
        until(lambda b=before, e=entries: len(experiment.entries()) >= b + e, "it goes on", 30)
        time.sleep(pause)
        if victim == "operator":
            operator.kill()
            operator.start()
            continue
        until(lambda v=victim: strike(experiment, v, rng, cluster), "a worker runs", 30)
    assert_goes_on(experiment)
    experiment.wait("Complete", 60)
    experiment.check()


def assert_goes_on(experiment: Experiment) -> None:
    assert not experiment.state().phase.ended, "it was over before: make the experiment longer"


def strike(experiment: Experiment, victim: str, rng: random.Random, cluster: Cluster) -> bool:
    """Kill a worker's process, or take its Pod away; false where none runs at this moment."""
    namespace, running = experiment.namespace, experiment.running()
    if not running:
        assert_goes_on(experiment)
        return False
    pod = rng.choice(running)["metadata"]["name"]
    try:
        if victim == "process":
            cluster.node_of(namespace.name, pod).signal(f"{namespace.name}/{pod}", signal.SIGKILL)
        else:
            namespace.client.delete(namespace.path("pods", pod), grace=0)
    except (LookupError, ApiError):  # It has just ended, or is not quite there.
        return False
    return True


@pytest.mark.slow
def test_kills_change_no_decision_of_hyperband(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    undisturbed = create(namespace, "undisturbed", {"hyperband": {}}, pace=0)
    undisturbed.wait("Complete", 60)
    experiment = create(namespace, "killed", {"hyperband": {}})
    disturb(experiment, operator, cluster)
    assert_same_trials(experiment.result(), undisturbed.result())


@pytest.mark.slow
def test_kills_lose_no_trial_of_asha(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster
) -> None:
    experiment = create(namespace, "killed", {"asha": {"eta": 3}}, size=18)
    disturb(experiment, operator, cluster)
    assert_asha_lost_nothing(experiment.entries(), trials=18, eta=3)
