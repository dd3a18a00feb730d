"""Who is answered when."""

from __future__ import annotations

import math

from population_operator.core.rounds import ready
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import Cause, Decided, Issued, Straggled
from tests.builders import an_experiment
from tests.core.story import Story, decisions, of, running

SYNC = an_experiment().size(4).synchronous().steps(10, 30).truncation(0.25)
ASYNC = SYNC.asynchronous()


def test_all_members_start_with_the_first_entry() -> None:
    followed = Story(SYNC).begin()
    assert {d.kind for d in decisions(followed).values()} == {DecisionKind.START}
    assert [e.decision.member for e in of(Decided, followed)] == ["m0", "m1", "m2", "m3"]


def test_a_round_waits_for_the_last() -> None:
    story = running(SYNC)
    for worker, score in (("w0", 0.1), ("w2", 0.3), ("w3", 0.4)):
        assert decisions(story.report(worker, score)) == {}
        assert ready(story.state) == ()
    answers = decisions(story.report("w1", 0.2))
    assert list(answers) == ["m0", "m1", "m2", "m3"], "one entry, ordered by member"
    assert answers["m0"].kind is DecisionKind.EXPLOIT
    assert answers["m0"].source is not None
    assert answers["m0"].source.member == "m3"


def test_the_order_of_reports_changes_no_decision() -> None:
    scores = {"w0": 0.1, "w1": 0.2, "w2": 0.3, "w3": 0.4}
    found = []
    for order in ("w0 w1 w2 w3", "w3 w1 w0 w2", "w2 w3 w1 w0"):
        story = running(SYNC)
        for worker in order.split():
            followed = story.report(worker, scores[worker])
        found.append([(d.id, d.kind, d.hyperparameters) for d in decisions(followed).values()])
    assert found[0] == found[1] == found[2]


def test_in_asynchronous_mode_everybody_is_answered_at_once() -> None:
    story = running(ASYNC)
    followed = story.report("w1", 0.5)
    assert list(decisions(followed)) == ["m1"]
    assert [e.member for e in of(Issued, followed)] == ["m1"]


def test_reports_that_come_together_are_answered_together() -> None:
    story = running(ASYNC)
    story.round(0.1, 0.2, 0.3, 0.4)
    followed = story.round(0.1, 0.2, 0.3, 0.4)
    assert list(decisions(followed)) == ["m0", "m1", "m2", "m3"]
    assert len(story.entries) == 4


def test_a_straggler_does_not_stop_the_round_and_ranks_last() -> None:
    story = running(SYNC.straggler_timeout(60))
    for worker, score in (("w0", 0.1), ("w1", 0.2), ("w2", 0.3)):
        story.report(worker, score)
    followed = story.pass_(61)
    assert [e.member for e in of(Straggled, followed)] == ["m3"]
    answers = decisions(followed)
    assert len(answers) == 4
    assert answers["m3"].kind is DecisionKind.EXPLOIT


def test_scores_that_are_no_numbers_rank_last() -> None:
    story = running(SYNC)
    answers = decisions(story.round(0.1, math.nan, 0.3, 0.2))
    assert answers["m1"].kind is DecisionKind.EXPLOIT
    assert answers["m0"].kind is DecisionKind.CONTINUE


def test_a_round_in_which_nobody_has_a_number_goes_on() -> None:
    story = running(SYNC)
    answers = decisions(story.round(*[math.nan] * 4))
    assert len(answers) == 4
    assert all(d.kind is DecisionKind.CONTINUE for d in answers.values())


def test_one_that_is_behind_catches_up_before_the_next_round() -> None:
    """m0 was replaced by a clone of a member that stands an interval back."""
    story = running(SYNC.max_restarts(0))
    story.round(0.1, 0.2, 0.3, 0.4)
    for worker in ("w1", "w2", "w3"):
        story.report(worker, 0.5)
    story.gone("w0")
    story.pass_(2)
    assert story.member("m0").decision.kind is DecisionKind.REPLACE
    assert story.member("m0").step == 20, "it was cloned from one that had reported already"
    # It stands in the next interval, the others wait in this one: they go first.
    assert {m.step for m in story.state.population} == {20}


def test_members_that_have_finished_need_no_answer() -> None:
    story = running(SYNC.steps(10, 10))
    assert decisions(story.round(0.1, 0.2, 0.3, 0.4)) == {}
    assert story.state.phase.ended


def test_nobody_is_answered_while_it_is_suspended() -> None:
    story = running(ASYNC)
    late = story.reported("w0", 0.5)
    story.spec(ASYNC.suspended())
    assert decisions(story.tell(late)) == {}
    assert story.state.reports == 0


def test_what_was_lost_and_offered_again_decides_the_same() -> None:
    story, other = running(SYNC), running(SYNC)
    for it in (story, other):
        it.report("w0", 0.1)
        it.report("w1", 0.2)
    for cause in (Cause.PREEMPTED, Cause.VANISHED, Cause.NODE_LOST):
        other.gone("w2", cause)
        other.pass_(400)
        other.seen()
    found = []
    for it in (story, other):
        it.report("w3", 0.4)
        worker = it.member("m2").worker
        assert worker is not None
        answers = decisions(it.report(worker, 0.3)).values()
        found.append([(d.id, d.kind, d.hyperparameters, d.reason) for d in answers])
    assert found[0] == found[1]
    assert len(found[0]) == 4
