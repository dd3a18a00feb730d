"""What must hold in every state that any journal adds up to."""

from __future__ import annotations

from population_operator.adapters.simulation import SimulatedFleet
from population_operator.core import retention
from population_operator.core.desired import desired
from population_operator.model.entry import Phase
from population_operator.model.report import CheckpointRef
from population_operator.model.state import State


def assert_sound(state: State) -> None:
    """Members, workers, directives and deletions agree with each other."""
    if state.experiment is None:
        return
    spec = state.spec.spec
    bounded = not spec.algorithm.trials
    assert len(state.members) <= (spec.population.size or len(state.members))
    if bounded and state.phase is not Phase.PENDING and state.started_at:
        assert len(state.members) == spec.population.size, "the population shrank"
    opened = [w for w in state.workers.values() if w.open]
    assert len(opened) <= spec.population.workers
    for worker in state.workers.values():
        if worker.member is not None:
            assert worker.open
            assert state.members[worker.member].worker == worker.name
    for member in state.members.values():
        assert member.step >= 0
        assert member.decision.count >= 1
        if member.worker is not None:
            assert state.workers[member.worker].member == member.name
            assert member.directives, "on a worker without a directive"
        for parameter in spec.parameters:
            value = member.decision.hyperparameters.get(parameter.name)
            if value is not None and parameter.float_ is not None:
                assert parameter.float_.min <= float(value) <= parameter.float_.max
    _assert_deletions_are_safe(state)


def _assert_deletions_are_safe(state: State) -> None:
    keep = retention.retained(state)
    for item in retention.pending(state):
        for ref in keep:
            doomed = (ref.member, ref.directive) == (item.member, item.directive)
            assert not doomed or ref.step in item.keep, f"{ref} is retained and to be deleted"
    if state.phase.ended:
        return
    for worker in desired(state).workers:
        directive = worker.directive
        member = state.workers[worker.worker].member
        if directive is None or directive.restore is None or member is None:
            continue
        if not state.members[member].reported and state.members[member].latest is None:
            assert directive.restore in keep, f"{directive.restore} is needed and not kept"


def assert_on_volume(state: State, fleet: SimulatedFleet, spoiled: set[CheckpointRef]) -> None:
    """What is retained exists, unless a fault took it."""
    for ref in retention.retained(state):
        assert ref in fleet.checkpoints or ref in spoiled or ref in state.bad, f"{ref} is lost"
