"""How an experiment begins, rests, and ends."""

from __future__ import annotations

import math

import pytest

from population_operator.core.desired import desired
from population_operator.core.phases import CLEAN_UP_SECONDS, SUSPEND_REASON
from population_operator.core.retention import pending
from population_operator.model.entry import (
    Cause,
    CleanedUp,
    Forgotten,
    Phase,
    PhaseChanged,
    WorkerClosed,
    WorkerGone,
    WorkerOpened,
)
from tests.builders import ExperimentBuilder, an_experiment
from tests.core.story import Story, of, running

EXPERIMENT = an_experiment().size(2).synchronous().steps(10, 30).random_search()


def test_it_begins_at_once() -> None:
    (change,) = of(PhaseChanged, Story(EXPERIMENT).begin())
    assert (change.phase, change.reason) == (Phase.RUNNING, "Started")


def test_one_that_is_made_suspended_begins_when_it_is_told_to() -> None:
    story = Story(EXPERIMENT.suspended())
    (change,) = of(PhaseChanged, story.begin())
    assert change.phase is Phase.SUSPENDED
    assert story.state.members == {}
    assert desired(story.state).workers == ()
    followed = story.spec(EXPERIMENT)
    assert [e.reason for e in of(PhaseChanged, followed)] == ["Resumed"]
    assert len(of(WorkerOpened, followed)) == 2
    assert story.state.started_at == story.now


def test_suspending_ends_every_worker_and_loses_nothing() -> None:
    story = running(EXPERIMENT)
    story.report("w0", 0.5)
    before = {m.name: (m.step, m.decision) for m in story.state.population}
    followed = story.spec(EXPERIMENT.suspended())
    assert [e.worker for e in of(WorkerClosed, followed)] == ["w0", "w1"]
    assert desired(story.state).workers == ()
    story.spec(EXPERIMENT)
    assert {m.name: (m.step, m.decision) for m in story.state.population} == before
    assert story.directive("w0").member == "m1", "m0 has reported: only m1 has work to do"
    assert story.directive("w0").resumes


def test_it_says_why_it_is_suspended() -> None:
    assert SUSPEND_REASON == "population-operator.io/suspend-reason"
    noted = EXPERIMENT.set("metadata.annotations", {SUSPEND_REASON: "lunch"})
    for experiment, why in ((EXPERIMENT, "spec.suspend"), (noted, "lunch")):
        story = running(EXPERIMENT)
        story.spec(experiment.suspended())
        assert (story.state.phase_reason, story.state.phase_message) == ("Suspended", why)
        story.spec(EXPERIMENT)
        assert story.state.phase_message == ""


@pytest.mark.parametrize(
    ("experiment", "score", "is_reached"),
    [
        (EXPERIMENT.target(0.9), 0.9, True),
        (EXPERIMENT.target(0.9), 0.91, True),
        (EXPERIMENT.target(0.9), 0.89, False),
        (EXPERIMENT.target(0.9), math.inf, False),
        (EXPERIMENT.target(0.9), math.nan, False),
        (EXPERIMENT.minimize().target(0.1), 0.1, True),
        (EXPERIMENT.minimize().target(0.1), 0.05, True),
        (EXPERIMENT.minimize().target(0.1), 0.2, False),
        (EXPERIMENT.minimize().target(0.1), -math.inf, False),
    ],
)
def test_a_target(experiment: ExperimentBuilder, score: float, is_reached: bool) -> None:
    story = running(experiment)
    story.report("w0", score)
    assert story.state.phase is (Phase.COMPLETE if is_reached else Phase.RUNNING)
    if is_reached:
        assert story.state.phase_reason == "TargetReached"
        assert "m0 reached score" in story.state.phase_message


def test_it_is_complete_when_everybody_has_finished() -> None:
    story = running(EXPERIMENT)
    for _ in range(2):
        story.round(0.1, 0.2)
    story.report("w0", 0.3)
    assert story.state.phase is Phase.RUNNING
    story.report("w1", 0.4)
    assert (story.state.phase, story.state.phase_reason) == (Phase.COMPLETE, "MaxStepsReached")
    assert story.state.ended_at == story.now


def test_without_a_finite_score_it_has_failed() -> None:
    story = running(EXPERIMENT.steps(10, 10))
    story.round(math.nan, math.inf)
    assert (story.state.phase, story.state.phase_reason) == (Phase.FAILED, "NoFiniteScore")
    assert "score" in story.state.phase_message


def test_max_duration_counts_only_while_it_runs() -> None:
    limited = EXPERIMENT.max_duration(100)
    story = running(limited)
    story.report("w0", 0.5)
    story.now += 60
    story.spec(limited.suspended())
    story.now += 10_000
    story.spec(limited)
    story.pass_(39)
    assert story.state.phase is Phase.RUNNING
    story.pass_(2)
    assert (story.state.phase, story.state.phase_reason) == (Phase.COMPLETE, "MaxDurationReached")


def test_max_duration_does_not_count_while_the_controller_and_its_workers_were_dead() -> None:
    story = running(EXPERIMENT.max_duration(100))
    story.report("w0", 0.5)
    story.pass_(0)
    active = story.state.active
    story.now += 10_000
    lost = [
        WorkerGone(worker=w.name, incarnation=w.incarnation, cause=Cause.ABANDONED, detail="over")
        for w in story.state.workers.values()
        if w.open
    ]
    story.tell(*lost)
    assert (story.state.phase, story.state.active) == (Phase.RUNNING, active)
    story.pass_(101)
    assert story.state.phase is Phase.COMPLETE
    story.check()


def test_max_duration_without_a_report_is_a_failure() -> None:
    story = running(EXPERIMENT.max_duration(100))
    story.pass_(101)
    assert story.state.phase is Phase.FAILED


def test_suspending_after_the_end_changes_nothing() -> None:
    story = running(EXPERIMENT.steps(10, 10))
    story.round(0.1, 0.2)
    story.spec(EXPERIMENT.steps(10, 10).suspended())
    assert story.state.phase is Phase.COMPLETE


# --- cleaning up ---


def with_rubbish() -> Story:
    """Complete, with something to delete."""
    story = running(EXPERIMENT.steps(10, 20))
    story.report("w0", 0.05, step=5)
    story.round(0.1, 0.2)
    story.round(0.3, 0.4)
    assert story.state.phase is Phase.COMPLETE
    assert pending(story.state)
    return story


def test_one_worker_stays_until_everything_is_deleted() -> None:
    story = with_rubbish()
    (worker,) = desired(story.state).workers
    assert worker.directive is not None
    assert worker.directive.forget == pending(story.state)
    assert not story.state.cleaned_up
    slot = story.worker(worker.worker)
    followed = story.tell(
        Forgotten(
            worker=slot.name,
            incarnation=slot.incarnation,
            cursor=slot.cursor + 1,
            forgotten=pending(story.state),
        )
    )
    assert [e.remaining for e in of(CleanedUp, followed)] == [0]
    assert desired(story.state).workers == ()
    story.check()


def test_it_does_not_wait_for_ever() -> None:
    story = with_rubbish()
    assert story.pass_(CLEAN_UP_SECONDS - 1) == ()
    (done,) = of(CleanedUp, story.pass_(2))
    assert done.remaining == len(pending(story.state))
    assert desired(story.state).workers == ()


def test_it_does_not_wait_for_a_worker_that_is_gone() -> None:
    story = with_rubbish()
    (worker,) = desired(story.state).workers
    assert of(CleanedUp, story.gone(worker.worker))
    assert story.state.cleaned_up


def test_where_nothing_was_ever_reported_nobody_is_waited_for() -> None:
    """A worker that never spoke would be waited for in vain."""
    story = running(EXPERIMENT.max_duration(10))
    followed = story.pass_(11)
    assert of(CleanedUp, followed)
    assert story.state.cleaned_up


def test_after_that_nothing_follows_from_anything() -> None:
    story = with_rubbish()
    story.pass_(CLEAN_UP_SECONDS + 1)
    assert story.pass_(10_000) == ()
    assert story.spec(EXPERIMENT.steps(10, 200)) == ()
