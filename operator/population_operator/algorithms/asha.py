"""Asynchronous successive halving (Li et al., arXiv 1810.05934, algorithm 2).

Rungs end at R eta^(i - s_max), the lowest at about `interval`. Nobody waits for anybody:

- promotion, the paper's: a trial that ends a rung waits there. It is promoted as soon as it is
  among the best floor(n / eta) of the n results of its rung, the highest rung first. A worker with
  nothing to promote starts a new trial.
- stopping (as in Syne Tune): at the end of a rung a trial goes on if it is among the best
  floor(n / eta) of the n results that the rung has by then, its own with them, or if there are
  fewer than eta of them; else it ends. Several that are ready at once see each other's results.

With `sampler: gaussianProcess`, two of three configurations come from a model (`modelled.py`).

`population.size` bounds the trials that are started, or `schedule.maxDuration` the time. A trial
that failed for good has no result, and takes part in no comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

from population_operator.algorithms.base import Plan
from population_operator.algorithms.brackets import most_halvings, rung_steps
from population_operator.algorithms.modelled import modelled
from population_operator.algorithms.trials import (
    begin,
    drawn,
    in_words,
    promote,
    ranked_values,
    stop,
    unfinished,
)
from population_operator.api import PopulationExperiment, Value
from population_operator.api.trials import Asha as Block
from population_operator.api.trials import AshaVariant, Sampler
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.key import Key
from population_operator.model.state import State

ENDLESS = 10_000
"""Trials at most, where only the time is limited: all of them stay in the state."""


class AsynchronousHalving:
    """The manifest's `asha` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`. O(N log N). NaN never goes on; ties go to the earlier trial."""
        waiting = frozenset(ready)
        answers = tuple(_answers(experiment, state, waiting))
        going_on = sum(answer.kind is DecisionKind.PROMOTE for answer in answers)
        first, steps = len(state.members), rungs_of(experiment)
        last = min(first + max(free - going_on, 0), _trials(experiment))
        new = _configurations(experiment, state, range(first, last), key)
        return (*answers, *(begin(i, 0, steps[0], *found) for i, found in new))

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """Trials to start, those that train, and those that wait and get an answer now.

        Each trial that ends a rung makes room for one promotion at most, so that this never grows.
        """
        left = unfinished(experiment, state)
        waiting = frozenset(member.name for member in left if member.reported)
        answered = sum(1 for _ in _answers(experiment, state, waiting))
        to_start = max(_trials(experiment) - len(state.members), 0)
        return to_start + len(left) - len(waiting) + answered

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return Plan(experiment.spec.population.size, rungs_of(experiment))


def _configurations(
    experiment: PopulationExperiment, state: State, indices: range, key: Key
) -> Iterator[tuple[int, tuple[dict[str, Value], str]]]:
    """What the new trials of these indices train, and where it comes from.

    A trial that waits has a result, and is known to the model by it.
    """
    block = experiment.spec.algorithm.asha or Block()
    left, from_model = unfinished(experiment, state), modelled(experiment, state, key)
    pending = [m.decision.hyperparameters for m in left if not m.reported]
    for index in indices:
        found = None
        if block.sampler is Sampler.GAUSSIAN_PROCESS:
            found = from_model(index, pending)
        found = found or drawn(experiment, index, key)
        pending.append(found[0])
        yield index, found


def rungs_of(experiment: PopulationExperiment) -> tuple[int, ...]:
    """The steps at which the rungs end."""
    schedule, block = experiment.spec.schedule, experiment.spec.algorithm.asha or Block()
    halvings = most_halvings(schedule.max_steps, schedule.interval, block.eta)
    return rung_steps(schedule.max_steps, schedule.interval, block.eta, halvings)


def _trials(experiment: PopulationExperiment) -> int:
    return experiment.spec.population.size or ENDLESS


def _answers(
    experiment: PopulationExperiment, state: State, waiting: frozenset[str]
) -> Iterator[Decision]:
    """From the highest rung down: who goes on, and in the stopping variant who ends."""
    block = experiment.spec.algorithm.asha or Block()
    goal, steps = experiment.spec.objective.goal, rungs_of(experiment)
    stopping = block.variant is AshaVariant.STOPPING
    for rung in range(len(steps) - 2, -1, -1):
        done = ranked_values(state.members.values(), rung, goal)
        places = len(done) // block.eta
        if stopping and len(done) < block.eta:
            places = len(done)
        for place, (value, member) in enumerate(done, start=1):
            if member.name not in waiting or member.decision.rung != rung:
                continue
            hopeless = value == float("-inf")
            if place <= places and not hopeless:
                said = in_words(member, rung, place, len(done))
                yield promote(member, rung + 1, steps[rung + 1], said)
            elif stopping or hopeless:
                yield stop(member, f"{in_words(member, rung, place, len(done))}; it ends")
