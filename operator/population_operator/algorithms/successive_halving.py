"""Successive halving (Jamieson and Talwalkar, arXiv 1502.07943; as in arXiv 1810.05934, alg. 1).

`population.size` trials begin; at the end of each rung the best one in eta goes on, to a budget
that is eta times as large. The table is that of `brackets.one_bracket`.
"""

from __future__ import annotations

from population_operator.algorithms.base import Plan
from population_operator.algorithms.brackets import Bracket, one_bracket
from population_operator.algorithms.halving import halve, halving_demand, plan_of
from population_operator.algorithms.trials import drawn
from population_operator.api import PopulationExperiment
from population_operator.api.trials import SuccessiveHalving
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.state import State


def bracket_of(experiment: PopulationExperiment) -> Bracket:
    """The one bracket that there is."""
    block = experiment.spec.algorithm.successive_halving or SuccessiveHalving()
    schedule, trials = experiment.spec.schedule, experiment.spec.population.members
    return one_bracket(trials, schedule.max_steps, schedule.interval, block.eta)


class SynchronousHalving:
    """The manifest's `successiveHalving` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`. O(N log N). NaN never goes on; ties go to the earlier trial."""
        brackets = (bracket_of(experiment),)
        return halve(
            experiment, state, brackets, free, lambda i, bracket, made: drawn(experiment, i, key)
        )

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`."""
        return halving_demand(experiment, state, (bracket_of(experiment),))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return plan_of((bracket_of(experiment),))
