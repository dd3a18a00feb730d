"""Hyperband (Li et al., JMLR 18, 2018, algorithm 1): successive halving with every trade-off.

Brackets s = s_max .. 0, from many trials with little to train to few that are trained to the end
from the start. R is `maxSteps`, and the smallest budget `interval`. With `population.size` the
sequence is repeated, or cut, so that there are so many trials.

With `sampler: gaussianProcess`, two of three configurations come from a model (`modelled.py`).
"""

from __future__ import annotations

from population_operator.algorithms.base import Plan
from population_operator.algorithms.brackets import Bracket, all_brackets
from population_operator.algorithms.halving import Brackets, halve, halving_demand, plan_of
from population_operator.algorithms.modelled import modelled
from population_operator.algorithms.trials import drawn, unfinished
from population_operator.api import PopulationExperiment, Value
from population_operator.api.trials import Hyperband as Block
from population_operator.api.trials import Sampler
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.state import State


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
        by_model = block.sampler is Sampler.GAUSSIAN_PROCESS
        from_model = modelled(experiment, state, key)
        running = [m.decision.hyperparameters for m in unfinished(experiment, state)]

        def propose(
            index: int, bracket: Bracket, made: tuple[dict[str, Value], ...]
        ) -> tuple[dict[str, Value], str]:
            if not by_model:
                return drawn(experiment, index, key)
            found = from_model(index, [*running, *made])
            return found or drawn(experiment, index, key)

        return halve(experiment, state, brackets_of(experiment), free, propose)

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`."""
        return halving_demand(experiment, state, brackets_of(experiment))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return plan_of(brackets_of(experiment))
