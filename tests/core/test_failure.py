"""Failures: who is charged, who waits, who is replaced, and when there is no point in going on."""

from __future__ import annotations

import math

import pytest

from population_operator.algorithms.trials import outcomes
from population_operator.core.failure import back_off, healthiest
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import (
    Cause,
    Issued,
    MemberFailed,
    Phase,
    Straggled,
    WorkerClosed,
    WorkerHeld,
    WorkerOpened,
)
from tests.algorithms.bandits import a_bandit
from tests.builders import a_choice, a_float, an_experiment
from tests.core.story import decisions, of, running

EXPERIMENT = an_experiment().size(3).asynchronous().steps(10, 100).truncation(0.34).max_restarts(2)
CHARGED = [Cause.EXITED, Cause.OUT_OF_MEMORY, Cause.REFUSED]
FREE = [Cause.PREEMPTED, Cause.EVICTED, Cause.NODE_LOST, Cause.VANISHED, Cause.UNREACHABLE]


def test_waits_double_up_to_five_minutes() -> None:
    assert [back_off(n) for n in (1, 2, 3, 4, 9, 10, 10_000)] == [1, 2, 4, 8, 256, 300, 300]


@pytest.mark.parametrize("cause", CHARGED)
def test_its_own_failures_are_charged(cause: Cause) -> None:
    story = running(EXPERIMENT)
    (failed,) = of(MemberFailed, story.gone("w0", cause, "why"))
    assert (failed.member, failed.cause, failed.detail) == ("m0", cause, "why")
    assert failed.not_before == story.now + 1
    assert story.member("m0").last_failure == f"{cause}: why"


@pytest.mark.parametrize("cause", FREE)
def test_what_is_not_its_fault_is_not_charged(cause: Cause) -> None:
    story = running(EXPERIMENT)
    followed = story.gone("w0", cause)
    assert of(MemberFailed, followed) == []
    assert [(e.worker, e.incarnation) for e in of(WorkerOpened, followed)] == [("w0", 2)]
    assert [e.member for e in of(Issued, followed)] == ["m0"]


def test_the_waits_of_one_member_grow_and_a_report_ends_that() -> None:
    story = running(EXPERIMENT.max_restarts(9))
    waits = []
    for _ in range(3):
        (failed,) = of(MemberFailed, story.gone("w0"))
        waits.append(failed.not_before - story.now)
        story.pass_(waits[-1])
        story.seen()
    assert waits == [1, 2, 4]
    story.report("w0", 0.5)
    (failed,) = of(MemberFailed, story.gone("w0"))
    assert failed.not_before == story.now + 1


def test_a_trial_that_failed_for_good_owes_the_result_of_its_rung() -> None:
    story = running(a_bandit("successiveHalving", 9, workers=3).max_restarts(0))
    story.report("w1", 0.5)
    until = story.directive("w0").until
    story.gone("w0")
    assert story.member("m0").stopped
    known = [(m.name, result.rung, result.step) for m, result in outcomes(story.state)]
    assert known == [("m0", 0, until), ("m1", 0, until)], "m2 still trains"
    assert [math.isnan(result.score) for _, result in outcomes(story.state)] == [True, False]


def test_a_program_may_end_after_its_report() -> None:
    story = running(EXPERIMENT.synchronous())
    story.report("w0", 0.5)
    assert of(MemberFailed, story.gone("w0")) == []


def test_the_same_loss_is_charged_once() -> None:
    story = running(EXPERIMENT)
    story.gone("w0")
    lost = story.entries[-1].observed[0]
    story.tell(lost)
    assert story.member("m0").failures == 1


def test_a_slot_that_keeps_losing_its_incarnations_waits() -> None:
    story = running(EXPERIMENT)
    assert of(WorkerHeld, story.gone("w0", Cause.VANISHED)) == []
    (held,) = of(WorkerHeld, story.gone("w0", Cause.VANISHED))
    assert (held.worker, held.not_before) == ("w0", story.now + 1)
    assert not story.worker("w0").open
    assert story.member("m0").failures == 0
    assert [e.worker for e in of(WorkerOpened, story.pass_(1))] == ["w0"]


def test_one_that_fails_too_often_continues_as_a_clone_of_the_best() -> None:
    story = running(EXPERIMENT)
    story.report("w1", 0.5)
    story.report("w2", 0.9)
    for _ in range(3):
        story.gone("w0")
        story.pass_(10)
        story.seen()
    decision = story.member("m0").decision
    assert decision.kind is DecisionKind.REPLACE
    assert decision.source is not None
    assert decision.source.member == "m2"
    assert decision.hyperparameters == story.member("m2").decision.hyperparameters
    assert "Exited: it said: oh" in decision.reason
    assert (story.member("m0").failures, story.member("m0").step) == (0, 10)
    assert len(story.state.members) == 3
    story.check()


def test_where_nobody_ever_reports_it_fails_with_the_last_words() -> None:
    story = running(EXPERIMENT.max_restarts(0))
    for worker in ("w0", "w1", "w2"):
        story.gone(worker, detail=f"{worker} says no")
        if story.state.phase.ended:
            break
    assert story.state.phase is Phase.FAILED
    assert story.state.phase_reason == "WorkersFail"
    assert "m0 failed once; Exited: w0 says no" in story.state.phase_message
    story.check()


def test_one_hopeless_member_does_not_end_a_healthy_experiment() -> None:
    story = running(EXPERIMENT.max_restarts(0))
    story.report("w1", 0.5)
    for _ in range(6):
        worker = story.member("m0").worker
        if worker:
            story.gone(worker)
        story.pass_(400)
        story.seen()
        busy = story.member("m1").worker
        if busy and story.member("m1").step < 90:
            story.report(busy, 0.5)
        assert story.state.phase is Phase.RUNNING
    assert story.member("m0").decision.kind is DecisionKind.REPLACE


@pytest.mark.parametrize("score", [0.5, math.nan])
def test_a_round_that_waits_for_one_beyond_help_ends(score: float) -> None:
    """Nobody saves, or has a good score: there is no donor, and the round brings none."""
    story = running(EXPERIMENT.synchronous().max_restarts(0))
    story.report("w1", score, checkpoint=score != score)
    story.gone("w0", detail="oh no")
    assert story.state.phase is Phase.RUNNING, "w2 may still bring a donor"
    story.report("w2", score, checkpoint=score != score)
    assert story.state.phase is Phase.FAILED
    assert story.state.phase_message == "m0 failed once; Exited: oh no"
    story.check()


def test_a_round_goes_on_without_one_that_straggled() -> None:
    """It waits for nobody then, though nobody has a good score."""
    story = running(EXPERIMENT.synchronous().max_restarts(0).straggler_timeout(60))
    story.report("w1", math.nan)
    story.report("w2", math.nan)
    story.pass_(61)
    assert story.state.phase is Phase.RUNNING
    story.check()


def test_a_round_goes_on_while_one_can_be_replaced() -> None:
    """m0 has a good checkpoint from within its interval: m1 continues as its clone."""
    story = running(EXPERIMENT.synchronous().max_restarts(0))
    story.report("w0", 0.5, step=5)
    story.report("w2", math.nan)
    story.gone("w1")
    story.gone("w0")
    assert story.state.phase is Phase.RUNNING
    story.check()


# --- stragglers ---


def test_a_straggler_is_charged_and_its_worker_replaced() -> None:
    story = running(EXPERIMENT.straggler_timeout(60))
    for worker in ("w1", "w2"):
        story.report(worker, 0.5)
    assert story.pass_(59.9) == ()
    story.report("w1", 0.6)
    story.report("w2", 0.6)
    followed = story.pass_(0.2)
    assert [e.member for e in of(Straggled, followed)] == ["m0"]
    assert [(e.cause) for e in of(MemberFailed, followed)] == [Cause.STRAGGLED]
    assert [(e.worker, e.reason) for e in of(WorkerClosed, followed)] == [("w0", "straggled")]


def test_time_before_the_process_runs_is_not_counted() -> None:
    from tests.core.story import Story

    story = Story(EXPERIMENT.straggler_timeout(60))
    story.begin()
    assert of(Straggled, story.pass_(600)) == []
    story.seen()
    assert of(Straggled, story.pass_(59)) == []
    assert len(of(Straggled, story.pass_(2))) == 3


def test_nobody_is_a_straggler_while_more_reports_may_lie_ready() -> None:
    """An entry takes in a bounded number of them."""
    story = running(EXPERIMENT.straggler_timeout(60))
    story.now += 600
    assert of(Straggled, story.report("w0", 0.5)) == []
    assert of(Straggled, story.report("w1", 0.5)) == []
    assert [e.member for e in of(Straggled, story.tell())] == ["m2"]
    story.check()


def test_reports_in_the_middle_of_an_interval_are_signs_of_life() -> None:
    story = running(EXPERIMENT.straggler_timeout(60))
    for step in (2, 4, 6):
        story.now += 50
        for worker in ("w0", "w1", "w2"):
            story.report(worker, 0.1, step=step)
    assert of(Straggled, story.tell()) == []


def test_waiting_for_others_is_not_straggling() -> None:
    story = running(EXPERIMENT.synchronous().straggler_timeout(60))
    story.report("w0", 0.5)
    followed = story.pass_(61)
    assert {e.member for e in of(Straggled, followed)} == {"m1", "m2"}


# --- checkpoints that cannot be restored ---


def test_a_bad_donor_is_replaced_by_another_one() -> None:
    story = running(EXPERIMENT.synchronous())
    story.round(0.1, 0.5, 0.9)
    explored = story.member("m0").decision
    assert explored.kind is DecisionKind.EXPLOIT
    followed = story.bad("w0")
    again = decisions(followed)["m0"]
    assert again.kind is DecisionKind.FAILOVER
    assert again.source is not None
    assert again.source.member == "m1"
    assert again.hyperparameters == explored.hyperparameters, "what was explored stays"
    assert again.count == explored.count + 1
    assert explored.source in story.state.bad
    assert [e.member for e in of(Issued, followed)] == ["m0"], "at once"
    assert of(MemberFailed, followed) == [], "it is not the member's fault"
    story.check()


def test_a_bad_donor_is_nobodys_donor_any_more() -> None:
    story = running(EXPERIMENT.synchronous())
    story.round(0.1, 0.5, 0.9)
    story.bad("w0")
    assert story.member("m2").good is None
    found = healthiest(story.state, story.member("m0"))
    assert found is not None
    assert found.member == "m1"


def test_values_that_are_fixed_for_a_lineage_come_from_the_new_donor() -> None:
    space = (
        a_float("lr", 1e-3, 1.0, log=True),
        a_choice("width", "1", "2", "3", "4", type="integer", mutable=False),
    )
    experiment = EXPERIMENT.synchronous().parameters(*space)
    widths = [{"lr": 0.1, "width": n} for n in (1, 2, 3)]
    story = running(experiment.initial(*widths))
    story.round(0.1, 0.5, 0.9)
    assert story.member("m0").decision.hyperparameters["width"] == 3
    again = decisions(story.bad("w0"))["m0"]
    assert again.hyperparameters == story.member("m1").decision.hyperparameters


def test_with_no_other_donor_its_own_last_good_one_is_taken() -> None:
    story = running(an_experiment().size(1).random_search().steps(10, 100))
    story.report("w0", 0.5)
    first = story.member("m0").kept
    assert first is not None
    story.report("w0", 0.6)
    story.gone("w0", Cause.PREEMPTED)
    story.seen()
    again = decisions(story.bad("w0"))["m0"]
    assert again.kind is DecisionKind.FAILOVER
    assert again.source is None, "that one was its own last good one"
    assert "it starts again" in again.reason
    assert story.member("m0").step == 0
    story.check()


def test_a_failure_under_a_superseded_directive_is_no_failure() -> None:
    story = running(EXPERIMENT.synchronous())
    story.round(0.1, 0.5, 0.9)
    late = story.entries[-1]
    story.bad("w0")
    before = story.member("m0").decision
    donor = late.decided[0]
    assert donor
    failed = (
        story.entries[-1].observed[0].model_copy(update={"cursor": story.worker("w0").cursor + 1})
    )
    assert decisions(story.tell(failed)) == {}
    assert story.member("m0").decision == before
