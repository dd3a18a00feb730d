"""`kill -9` of `population run` and of its workers while trials climb from rung to rung."""

from __future__ import annotations

import random
import signal
from typing import Any

import pytest

from population_operator.model.entry import WorkerGone
from tests.builders import ExperimentBuilder, an_experiment
from tests.promotions import assert_asha_lost_nothing, assert_same_trials, by_id
from tests.runs.conftest import Make
from tests.runs.support import Run, until

SEED, KILLS = 20180601, 3
"""The moments' seed, and how often each, the program and a worker, is killed."""

PACE = 0.4
"""Seconds that an interval takes, and the most that a kill waits after an entry."""


def a_bandit(name: str, size: int | None = None, **fields: object) -> ExperimentBuilder:
    """Rungs of 10, 30 and 90 steps, on two workers; no trial is given up for what is done to it."""
    built = an_experiment().set("spec.algorithm", {name: fields}).steps(10, 90)
    population = {"parallelism": 2, "seed": 7} | ({"size": size} if size else {})
    return built.set("spec.population", population).max_restarts(KILLS)


def killed(run: Run, seed: int) -> dict[str, Any]:
    """Complete it through kills of the program and of workers at random moments."""
    rng = random.Random(seed)
    victims = ["program", "worker"] * KILLS
    rng.shuffle(victims)
    process = run.start()
    for number, victim in enumerate(victims, start=1):
        before, entries, pause = run.count(), rng.randint(1, 4), rng.uniform(0, PACE)
        print(f"kill {number} (seed {seed}): {victim}, {entries} entries and {pause:.3f} s later")
        until(lambda b=before, e=entries, p=process: p.ended or run.count() >= b + e, "it goes on")
        assert not process.ends_within(pause), "it was over before: make the experiment longer"
        if victim == "worker":
            until(lambda: run.workers(), "a worker runs")
            workers = run.workers()
            workers[rng.choice(sorted(workers))].send_signal(signal.SIGKILL)
        else:
            run.kill()
            run.check()
            process = run.start()
    assert process.finish().code == 0, run.worker_output()
    lost = [e for entry in run.entries() for e in entry.observed if isinstance(e, WorkerGone)]
    assert sum("SIGKILL" in event.detail for event in lost) >= 1
    assert run.command("verify").returncode == 0
    return run.result()


@pytest.mark.slow
def test_kills_change_no_decision_of_hyperband(make: Make) -> None:
    experiment = a_bandit("hyperband")
    one, run = make(experiment, pace=PACE), make(experiment, pace=PACE)
    undisturbed = one.complete()
    assert sum(d["kind"] == "promote" for d in undisturbed["decisions"]) >= 5
    assert_same_trials(killed(run, SEED), undisturbed)
    assert run.scores() == one.scores()


@pytest.mark.slow
def test_kills_lose_no_trial_of_asha(make: Make) -> None:
    run = make(a_bandit("asha", 18, eta=3), pace=PACE)
    assert len(by_id(killed(run, SEED))) >= 18
    assert_asha_lost_nothing(run.entries(), trials=18, eta=3)
