"""Ray Tune's own PB2 scheduler, driven by hand: its class, its decisions, none of its processes.

The scheduler is asked exactly what Tune asks it (`on_trial_add`, `on_trial_result` for each trial
in turn, synchronous mode, every trial paused at its interval), and what it does to a trial is
taken over: the new configuration, and the checkpoint that it restores (here: the score). It starts
from the same configurations as the others. What Ray cannot express is left out of its bounds and
travels with the weights: a category is the donor's. Whole numbers are Ray's own truncation.
"""

from __future__ import annotations

import logging
import random
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.quality.pb2_problems import INTERVALS, MEMBERS, NOISE, Problem
from population_operator.algorithms.start import configuration
from population_operator.model.key import Key
from population_operator.model.space import from_unit, to_unit

FRACTION = 0.25
"""Ray's default."""


class HandTrial:
    """What PB2 touches of a Trial."""

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self.trial_id = self.experiment_tag = name
        self.config = config
        self.evaluated_params: dict[str, Any] = {}
        self.status = "PAUSED"
        self.last_result: dict[str, Any] = {}
        self.checkpoint: float = 0.0
        self.temporary_state = SimpleNamespace(saving_to=None)
        manager = SimpleNamespace(
            checkpoint_config=SimpleNamespace(num_to_keep=None), _latest_checkpoint_result=None
        )
        self.run_metadata = SimpleNamespace(checkpoint_manager=manager)

    def __str__(self) -> str:
        return self.trial_id

    def is_finished(self) -> bool:
        return False

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config


def scheduler(bounds: dict[str, Any]) -> Any:
    """A fresh PB2, one interval of one step, synchronous, everything else its default."""
    from ray.tune.schedulers.pb2 import PB2

    logging.getLogger("ray").setLevel(logging.ERROR)
    return PB2(
        time_attr="t",
        metric="score",
        mode="max",
        perturbation_interval=1,
        hyperparam_bounds=bounds,
        quantile_fraction=FRACTION,
        log_config=False,
        synch=True,
    )


def regrets(problem: Problem, seed: int) -> list[float]:
    """The members' mean regret in each interval of one run."""
    return _regrets(problem, seed, by_hand=False)


def regrets_by_hand(problem: Problem, seed: int) -> list[float]:
    """The same, where the user searches each number in unit coordinates of its own scale."""
    return _regrets(problem, seed, by_hand=True)


def _regrets(problem: Problem, seed: int, *, by_hand: bool) -> list[float]:
    random.seed(seed)
    np.random.seed(seed)
    noise = np.random.default_rng([seed, 1])
    experiment = problem.experiment({"random": {}}, seed)
    space = experiment.spec.parameters
    numeric = {p.name: p.domain for p in space if not p.categorical}

    def shown(values: dict[str, Any]) -> dict[str, Any]:
        """A configuration as Ray sees it."""
        if not by_hand:
            return dict(values)
        units = {name: to_unit(domain, values[name]) for name, domain in numeric.items()}
        return {**values, **units}

    def used(config: dict[str, Any]) -> dict[str, Any]:
        """What is trained under Ray's configuration."""
        if not by_hand:
            return config
        return config | {name: from_unit(domain, config[name]) for name, domain in numeric.items()}

    bounds = {
        name: [0.0, 1.0] if by_hand else [float(domain.min), float(domain.max)]
        for name, domain in numeric.items()
    }
    trials = [
        HandTrial(f"trial-{i}", shown(configuration(experiment, i, Key.of(experiment))))
        for i in range(MEMBERS)
    ]
    tuner = SimpleNamespace(
        search_alg=None, get_trials=lambda: trials, get_live_trials=lambda: trials
    )
    pb2 = scheduler(bounds)
    for trial in trials:
        pb2.on_trial_add(tuner, trial)
    scores = dict.fromkeys(trials, 0.0)
    found = []
    for t in range(1, INTERVALS + 1):
        found.append(fmean(problem.regret(used(trial.config), t) for trial in trials))
        for trial in trials:
            gain = problem.value(used(trial.config), t) + NOISE * float(noise.normal())
            scores[trial] += gain
            # A true value even where the score is 0: Ray takes a false one for "no checkpoint".
            trial.checkpoint = (scores[trial],)
            trial.last_result = {"t": t, "score": scores[trial], "training_iteration": t}
        if t == INTERVALS:
            break
        for trial in trials:
            pb2.on_trial_result(tuner, trial, trial.last_result)
        for trial in trials:
            manager = trial.run_metadata.checkpoint_manager
            if manager._latest_checkpoint_result is not None:
                scores[trial] = manager._latest_checkpoint_result.checkpoint[0]
                manager._latest_checkpoint_result = None
    return found
