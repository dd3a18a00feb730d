"""The answer that every algorithm has at hand: go on."""

from __future__ import annotations

from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.state import Member, State


def answering(state: State, ready: tuple[str, ...]) -> tuple[Member, ...]:
    """The members that wait for an answer, by index, however `ready` is ordered."""
    return tuple(sorted((state.members[name] for name in ready), key=lambda m: m.index))


def keep(member: Member, reason: str) -> Decision:
    """The member continues from where it stands, with the hyperparameters that it has."""
    return Decision(
        member=member.name,
        count=member.decision.count + 1,
        kind=DecisionKind.CONTINUE,
        hyperparameters=member.decision.hyperparameters,
        source=member.position,
        at_step=member.step,
        reason=reason,
    )
