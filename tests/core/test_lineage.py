"""Lineages against the truth: weights that remember how they were trained."""

from __future__ import annotations

import itertools

import pytest

from population_operator.core.history import MOVES, DecisionTaken, History, history
from population_operator.core.lineage import (
    Segment,
    best_lineage,
    branches,
    lineage,
    lineage_of,
    merged,
    reports_along,
    schedule_of,
    standing,
)
from population_operator.model.decision import DecisionKind
from tests.journals import Remembers, Run, a_run, crashing, small


@pytest.fixture(scope="module", params=["synchronous", "asynchronous"])
def run(request: pytest.FixtureRequest) -> Run:
    experiment = small() if request.param == "synchronous" else small().asynchronous()
    return a_run(experiment, Remembers(nan_above=0.6), crashing())


@pytest.fixture(scope="module")
def found(run: Run) -> History:
    return history(run.entries)


def trace(segments: tuple[Segment, ...]) -> list[tuple[int, int, float]]:
    """As the program remembers it: by intervals, whoever trained them."""
    return [(s.from_step, s.to_step, float(s.hyperparameters["lr"])) for s in segments]


def test_every_lineage_is_what_was_trained(run: Run, found: History) -> None:
    checked = 0
    for ref, (weights, _) in run.simulation.fleet.checkpoints.items():
        if (ref.member, ref.directive) in found.issued:
            assert trace(lineage_of(found, ref)) == list(weights)
            checked += 1
    assert checked >= len(run.state.members)


def test_a_members_lineage_ends_where_it_stands(run: Run, found: History) -> None:
    for member in run.state.members.values():
        segments = lineage(found, member.name)
        assert segments[0].from_step == 0
        assert segments[-1].member == member.name
        assert segments[-1].to_step == member.step
        for before, after in itertools.pairwise(segments):
            assert before.to_step == after.from_step


def test_a_lineage_in_the_past_is_that_of_then(found: History) -> None:
    """Before a member was overwritten it had another past than now."""
    taken = next(t for t in found.decisions if t.donor and t.decision.at_step >= 20)
    member, step = taken.decision.member, taken.decision.at_step
    mine = [r for r in found.by_member[member] if r.seq <= taken.seq]
    then = lineage(found, member, mine[-1].report.step - 5)
    assert then[-1].to_step == mine[-1].report.step - 5
    assert then[-1].member == member
    assert step >= then[-1].to_step


def test_nobody_and_never_have_no_lineage(found: History) -> None:
    assert lineage(found, "m99") == ()
    assert lineage(found, "m0", 10_000) == ()
    assert best_lineage(History()) == ()
    assert schedule_of(()) == ()


def test_merging_loses_nothing_but_borders(found: History) -> None:
    segments = best_lineage(found)
    joined = merged(segments)
    assert sum(s.to_step - s.from_step for s in joined) == segments[-1].to_step
    assert len(joined) <= len(segments)
    for before, after in itertools.pairwise(joined):
        same = before.member == after.member
        assert not same or before.hyperparameters != after.hyperparameters


def test_the_schedule_has_changes_only(run: Run, found: History) -> None:
    rows = schedule_of(best_lineage(found))
    assert rows[0][0] == 0
    for (step, values), (later, others) in itertools.pairwise(rows):
        assert step < later
        assert values != others
    best = run.state.best
    assert best is not None
    assert rows[-1][1] == found.issued[best.member, best.directive].hyperparameters


def test_the_reports_along_the_best_lineage(run: Run, found: History) -> None:
    best = run.state.best
    assert best is not None
    reports = reports_along(found, best.ref)
    assert [r.report.step for r in reports] == list(range(10, best.step + 1, 10))
    assert reports[-1].report == best


def test_branches_make_a_tree(run: Run, found: History) -> None:
    tree = branches(found)
    seen: dict[str, str] = {}
    for branch in tree:
        if branch.parent is None:
            assert branch.founder == branch.member
        else:
            assert branch.founder == seen[branch.parent]
        seen[branch.id] = branch.founder
    moves = [t for t in found.decisions if t.decision.kind in (*MOVES, DecisionKind.START)]
    assert [b.id for b in tree] == [t.decision.id for t in moves]
    alive = [b for b in tree if b.ends_by is None]
    assert {b.member for b in alive} == set(run.state.members)
    for branch in alive:
        assert branch.founder == lineage(found, branch.member)[0].member
    assert sum(len(b.reports) for b in tree) == len(found.reports)


def test_a_copy_stands_where_its_donor_stood(run: Run) -> None:
    """Right after an exploit the score of a member is that of the weights that it copied."""
    found, checked = History(), 0
    for entry in run.entries:
        for taken in found.add(entry):
            if isinstance(taken, DecisionTaken) and taken.donor:
                report = standing(found.state.members[taken.decision.member])
                assert report is not None
                assert report.ref == taken.decision.source
                checked += 1
    assert checked


def test_standing_is_the_report_of_the_weights(run: Run) -> None:
    for member in run.state.members.values():
        report = standing(member)
        assert report is not None
        assert report.step == member.step
