"""Who is drawn: everybody, or where they are too many, those that the story is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from population_operator.core.history import History
from population_operator.core.lineage import Branch, best_lineage, branches, standing
from population_operator.model.report import merit
from population_operator.model.state import Member

MAX_DRAWN = 60
"""More lines than this are a felt, not a picture."""

COLORS = 8
"""Families that are told apart by color; the rest is grey."""


@dataclass(frozen=True)
class Cast:
    """What all figures are drawn from.

    `drawn` are members by index, `hidden` counts the others. `families` has a color for each
    founder, as a CSS variable; `winners` are the decisions on the way to the best weights.
    """

    history: History
    drawn: tuple[Member, ...]
    hidden: int
    branches: tuple[Branch, ...]
    families: Mapping[str, str]
    winners: Mapping[str, int]

    @classmethod
    def of(cls, history: History, limit: int = MAX_DRAWN) -> Cast:
        """The cast of a run so far."""
        segments, tree = best_lineage(history), branches(history)
        winners = {segment.decision: segment.to_step for segment in segments}
        drawn = _drawn(history, {segment.member for segment in segments}, limit)
        founder = segments[0].member if segments else None
        return cls(
            history=history,
            drawn=drawn,
            hidden=len(history.state.members) - len(drawn),
            branches=tree,
            families=_families(tree, founder),
            winners=winners,
        )

    @property
    def names(self) -> frozenset[str]:
        return frozenset(member.name for member in self.drawn)

    def of_member(self, name: str) -> tuple[Branch, ...]:
        """The member's branches, oldest first."""
        return tuple(branch for branch in self.branches if branch.member == name)


def _drawn(history: History, winners: set[str], limit: int) -> tuple[Member, ...]:
    """The winner's ancestors, then baselines (a quarter at most), then the best of the others."""
    goal = history.state.spec.spec.objective.goal

    def rank(member: Member) -> float:
        report = standing(member)
        return -merit(goal, report.score) if report else float("inf")

    population = sorted(history.state.population, key=lambda m: (rank(m), m.index))
    ancestors = [m for m in population if m.name in winners]
    baselines = [m for m in population if m.baseline and m.name not in winners][: limit // 4]
    chosen = (ancestors + baselines)[:limit]
    names = {m.name for m in chosen}
    chosen += [m for m in population if m.name not in names][: limit - len(chosen)]
    return tuple(sorted(chosen, key=lambda m: m.index))


def _families(tree: tuple[Branch, ...], winner: str | None) -> dict[str, str]:
    """Colors go to the winner's founder, then to those with most descendants, then most steps."""
    alive = Counter(b.founder for b in tree if b.ends_by is None)
    steps = Counter[str]()
    for branch in tree:
        steps[branch.founder] += branch.to_step - branch.from_step
    order = sorted(
        steps, key=lambda name: (name != winner, -alive[name], -steps[name], len(name), name)
    )
    return {n: f"var(--family-{i})" if i < COLORS else "var(--rest)" for i, n in enumerate(order)}
