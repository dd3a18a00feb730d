"""Bayesian optimisation with a Gaussian process; each trial is trained to the end.

The first trials are drawn (`initialPoints`, or 2 D + 2). After that, each one maximises the
acquisition (`acquisition.py`) under a process of all final scores (`surrogate.py`), fitted once for
each decision. Running trials, and those that were proposed just now, lower the variance where they
are and have no score (Desautels et al., JMLR 15, 2014). A trial that failed or ended in a NaN
counts as the worst. Ties go to the candidate that was drawn first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from population_operator.algorithms.acquisition import most_promising, value
from population_operator.algorithms.base import Plan
from population_operator.algorithms.full_trials import (
    Configurations,
    ended,
    final_score,
    left,
    most,
    train_fully,
)
from population_operator.algorithms.gaussian_process import Array
from population_operator.algorithms.start import FIRST
from population_operator.algorithms.surrogate import Surrogate
from population_operator.algorithms.trials import drawn, unfinished
from population_operator.api import PopulationExperiment, Value
from population_operator.api.trials import Bayesian as Block
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.space import Hyperparameters
from population_operator.model.state import State, member_name


class BayesianOptimisation:
    """The manifest's `bayesian` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`. O(n^3) in the results, once, where a trial starts by the model."""
        block, goal = experiment.spec.algorithm.bayesian or Block(), experiment.spec.objective.goal
        done = ended(experiment, state)
        least = block.initial_points or 2 * len(experiment.spec.parameters) + 2
        running = [m.decision.hyperparameters for m in unfinished(experiment, state)]
        tried: list[Hyperparameters] = [m.decision.hyperparameters for m in done]
        merits = np.array([merit(goal, final_score(m)) for m in done])

        @cache
        def surrogate() -> Surrogate:
            return Surrogate.of(experiment.spec.parameters, tried, merits)

        def propose(index: int, made: Configurations) -> tuple[dict[str, Value], str]:
            if len(done) < least or index < len(experiment.spec.initial):
                return drawn(experiment, index, key)
            rng = key.generator(member_name(index), FIRST, "bayesian")
            pending = [*running, *made]
            order = np.argsort(merits, kind="stable").tolist()
            known = [*pending, *(tried[i] for i in order)]
            values = next_configuration(surrogate().pending(pending), block, known, rng)
            return values, f"{block.acquisition} of a Gaussian process of {len(done)} trials"

        return train_fully(experiment, state, ready, free, most(experiment), propose)

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`."""
        return left(experiment, state, most(experiment))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return Plan(experiment.spec.population.size, ())


def next_configuration(
    surrogate: Surrogate,
    block: Block,
    known: Sequence[Hyperparameters],
    rng: np.random.Generator,
) -> dict[str, Value]:
    """What to try next, and is not among `known`, of which the last are the best."""

    def score(points: Sequence[Hyperparameters]) -> Array:
        mean, deviation = surrogate.predict(points)
        return value(block.acquisition, mean, deviation, surrogate.best, block.kappa)

    return most_promising(surrogate.space, score, known, rng)
