"""Random search (Bergstra and Bengio, JMLR 13, 2012): draw, train to the end, compare.

Each member keeps the hyperparameters that it started with; its decisions are only the points at
which its checkpoints are saved and its scores are shown.
"""

from __future__ import annotations

from population_operator.algorithms.answers import answering, keep
from population_operator.algorithms.start import start
from population_operator.api import PopulationExperiment
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.state import State


class RandomSearch:
    """The start design, and then nothing changes."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Algorithm.decide`. No score is looked at, so NaN and ties mean nothing here."""
        going_on = tuple(
            keep(member, "random search changes nothing") for member in answering(state, ready)
        )
        return going_on + start(experiment, state, free, key)
