"""What the halvings owe whatever was killed: judged from journals and results alone.

Ranks are counted anew from the reports that were accepted, not by the algorithms' own functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from population_operator.core.history import AcceptedReport, DecisionTaken, history
from population_operator.core.verify import verify
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import Entry, Phase

Results = dict[int, dict[int, float]]
"""Scores by rung and by the trial's index."""


def assert_same_trials(result: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    """Two `result.json` say the same, but for when brackets that run side by side decided."""
    assert by_id(result) == by_id(undisturbed)
    for field in ("phase", "reason", "message", "objective", "members", "schedule"):
        assert result[field] == undisturbed[field], field
    for field in ("member", "step", "score", "hyperparameters", "metrics"):
        assert result["best"][field] == undisturbed["best"][field], field


def by_id(result: dict[str, Any]) -> dict[str, Any]:
    """Its decisions, of which none was taken twice."""
    found = {decision["id"]: decision for decision in result["decisions"]}
    assert len(found) == len(result["decisions"]), "a decision was taken twice"
    return found


def assert_asha_lost_nothing(entries: tuple[Entry, ...], trials: int, eta: int) -> None:
    """Complete; no trial or promotion is lost, none is issued twice or to one that is not good."""
    verdict = verify(entries)
    assert verdict.divergence is None, verdict.divergence
    state = verdict.state
    assert state.phase is Phase.COMPLETE
    assert [member.index for member in state.population] == list(range(trials))
    told = history(entries)
    ids = [taken.decision.id for taken in told.decisions]
    assert len(ids) == len(set(ids)), "a decision was taken twice"
    ends = [(it.report.member, it.decision.rung) for it in told.reports if _ends_rung(it)]
    assert len(ends) == len(set(ends)), "a rung was trained twice"
    for member in state.population:
        assert member.rungs, f"{member.name} was lost"
        assert not member.failures, f"{member.name} waits for a worker"
        entered = [
            taken.decision.rung
            for taken in told.decisions
            if taken.decision.member == member.name
            and taken.decision.kind in (DecisionKind.START, DecisionKind.PROMOTE)
        ]
        assert entered == list(range(len(member.rungs))), f"{member.name} lost or repeated a rung"
    last = state.spec.spec.schedule.max_steps
    ended = [it for it in told.reports if _ends_rung(it) and it.report.step < last]
    _assert_promotions(ended, told.decisions, eta)


def _assert_promotions(
    ended: Iterable[AcceptedReport], decisions: Iterable[DecisionTaken], eta: int
) -> None:
    """With each entry exactly those go on that it brings among the best 1/eta of their rung."""
    results: Results = {}
    promoted: set[tuple[int, int]] = set()
    happened = sorted([*ended, *decisions], key=lambda it: it.seq)
    for seq, group in groupby(happened, key=lambda it: it.seq):
        now: set[tuple[int, int]] = set()
        for it in group:
            if isinstance(it, AcceptedReport):
                scores = results.setdefault(it.decision.rung or 0, {})
                scores[_index(it.report.member)] = it.report.score
            elif it.decision.kind is DecisionKind.PROMOTE:
                now.add(((it.decision.rung or 0) - 1, _index(it.decision.member)))
        may = _among_the_best(results, eta) - promoted
        assert now == may, f"entry {seq}: {now} go on, {may} may"
        promoted |= now


def _among_the_best(results: Results, eta: int) -> set[tuple[int, int]]:
    """(rung, index) of the best floor(n / eta) of each rung; ties go to the earlier trial."""
    return {
        (rung, index)
        for rung, scores in results.items()
        for index in sorted(scores, key=lambda i: (-scores[i], i))[: len(scores) // eta]
    }


def _ends_rung(it: AcceptedReport) -> bool:
    return it.decision.until is not None and it.report.step >= it.decision.until


def _index(name: str) -> int:
    return int(name.removeprefix("m"))
