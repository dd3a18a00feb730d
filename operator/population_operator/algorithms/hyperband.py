"""Hyperband (Li et al., JMLR 18, 2018, algorithm 1): successive halving with every trade-off.

Brackets s = s_max .. 0, from many trials with little to train to few that are trained to the end
from the start. R is `maxSteps`, and the smallest budget `interval`. With `population.size` the
sequence is repeated, or cut, so that there are so many trials.

With `sampler: gaussianProcess`, two of three configurations come, as in BOHB, from a model of the
largest budget that has D + 2 results: here logEI under a Gaussian process (`surrogate.py`).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from population_operator.algorithms.base import Plan
from population_operator.algorithms.bayesian import next_configuration
from population_operator.algorithms.brackets import Bracket, all_brackets
from population_operator.algorithms.halving import Brackets, halve, halving_demand, plan_of
from population_operator.algorithms.start import FIRST
from population_operator.algorithms.trials import drawn, unfinished
from population_operator.api import PopulationExperiment, Value
from population_operator.api.trials import Bayesian, HyperbandSampler
from population_operator.api.trials import Hyperband as Block
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.space import Hyperparameters
from population_operator.model.state import State, member_name


def brackets_of(experiment: PopulationExperiment) -> Brackets:
    """All brackets of an experiment, in the order in which they begin."""
    algorithm, schedule = experiment.spec.algorithm, experiment.spec.schedule
    block = algorithm.bohb or algorithm.hyperband or Block()
    trials = experiment.spec.population.size
    return all_brackets(schedule.max_steps, schedule.interval, block.eta, block.rounding, trials)


class Hyperband:
    """The manifest's `hyperband` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`. O(N log N). NaN never goes on; ties go to the earlier trial."""
        block = experiment.spec.algorithm.hyperband or Block()
        modelled = block.sampler is HyperbandSampler.GAUSSIAN_PROCESS

        def propose(
            index: int, bracket: Bracket, made: tuple[dict[str, Value], ...]
        ) -> tuple[dict[str, Value], str]:
            found = _modelled(experiment, state, index, made, key) if modelled else None
            return found or drawn(experiment, index, key)

        return halve(experiment, state, brackets_of(experiment), free, propose)

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`."""
        return halving_demand(experiment, state, brackets_of(experiment))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return plan_of(brackets_of(experiment))


def _modelled(
    experiment: PopulationExperiment,
    state: State,
    index: int,
    made: tuple[dict[str, Value], ...],
    key: Key,
) -> tuple[dict[str, Value], str] | None:
    """A configuration by the Gaussian process; none where a draw is due."""
    rng = key.generator(member_name(index), FIRST, "gaussian process")
    if rng.random() < 1 / 3 or index < len(experiment.spec.initial):
        return None
    goal = experiment.spec.objective.goal
    by_budget: dict[int, list[tuple[Hyperparameters, float]]] = defaultdict(list)
    for member in state.population:
        for result in member.rungs:
            row = member.decision.hyperparameters, merit(goal, result.score)
            by_budget[result.step].append(row)
    enough = [
        b for b, rows in by_budget.items() if len(rows) >= len(experiment.spec.parameters) + 2
    ]
    if not enough:
        return None
    rows = by_budget[max(enough)]
    pending = [m.decision.hyperparameters for m in unfinished(experiment, state)]
    values = next_configuration(
        experiment,
        Bayesian(),
        [values for values, _ in rows],
        np.array([score for _, score in rows]),
        [*pending, *made],
        rng,
    )
    return values, f"a Gaussian process of {len(rows)} results at step {max(enough)}"
