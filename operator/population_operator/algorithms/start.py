"""The start design that every algorithm shares: what the user knows, and draws for the rest.

Member i starts from `initial[i]` where there is one; a parameter that the entry leaves out, and
everything of the members beyond, is drawn uniformly on each parameter's own scale. The first
`population.baselines` members are the baselines, so they are the ones that take the first entries
of `initial`: list the configuration first that the population has to beat.
"""

from __future__ import annotations

from itertools import islice

from population_operator.api import PopulationExperiment, Value
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.key import Key
from population_operator.model.space import sample
from population_operator.model.state import State, member_name

FIRST = 1
"""The count of a member's first decision."""


def start(
    experiment: PopulationExperiment, state: State, free: int, key: Key
) -> tuple[Decision, ...]:
    """Starts for at most `free` new members, by index.

    They take the lowest indices below `population.size` that are not in use, so that a population
    whose size is raised later grows by exactly the members that it would have started with.
    """
    used = {member.index for member in state.members.values()}
    unused = (index for index in range(experiment.spec.population.members) if index not in used)
    return tuple(_start(experiment, index, key) for index in islice(unused, max(free, 0)))


def configuration(experiment: PopulationExperiment, index: int, key: Key) -> dict[str, Value]:
    """The hyperparameters that the member of this index starts with, whenever it is asked for."""
    initial = experiment.spec.initial
    given = initial[index] if index < len(initial) else None
    rng = key.generator(member_name(index), FIRST, "start")
    return sample(experiment.spec.parameters, rng, given)


def _start(experiment: PopulationExperiment, index: int, key: Key) -> Decision:
    origin = f"initial[{index}]" if index < len(experiment.spec.initial) else "a random draw"
    role = "a baseline starts" if index < experiment.spec.population.baselines else "starts"
    return Decision(
        member=member_name(index),
        count=FIRST,
        kind=DecisionKind.START,
        hyperparameters=configuration(experiment, index, key),
        reason=f"{role} from {origin}",
    )
