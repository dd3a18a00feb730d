"""When to come back without news: never late, and never at once for ever."""

from __future__ import annotations

import pytest

from population_operator.core.deadlines import next_deadline
from population_operator.core.decide import conclude
from population_operator.core.phases import CLEAN_UP_SECONDS
from population_operator.model.entry import Cause
from population_operator.model.state import State
from tests.builders import ExperimentBuilder, an_experiment
from tests.core.story import Story, running
from tests.core.test_phases import with_rubbish

EXPERIMENT = an_experiment().size(2).synchronous().steps(10, 30).random_search()


def deadline(story: Story) -> float | None:
    """Seconds from now."""
    at = next_deadline(story.state, story.now)
    return None if at is None else pytest.approx(at - story.now)


def test_with_nothing_planned_there_is_none() -> None:
    assert next_deadline(State(), 5.0) is None
    assert deadline(running(EXPERIMENT)) is None
    assert deadline(Story(EXPERIMENT.suspended())) is None


@pytest.mark.parametrize(
    ("experiment", "seconds"),
    [
        (EXPERIMENT.max_duration(100), 100),
        (EXPERIMENT.straggler_timeout(60), 60),
        (EXPERIMENT.straggler_timeout(60).max_duration(30), 30),
    ],
)
def test_limits_of_the_schedule(experiment: ExperimentBuilder, seconds: float) -> None:
    assert deadline(running(experiment)) == seconds


def test_a_member_that_backs_off() -> None:
    story = running(EXPERIMENT)
    story.gone("w0")
    assert deadline(story) == 1.0


def test_a_slot_that_is_held() -> None:
    story = running(EXPERIMENT)
    for _ in range(2):
        story.gone("w0", Cause.VANISHED)
    assert deadline(story) == 1.0


def test_the_end_of_cleaning_up() -> None:
    assert deadline(with_rubbish()) == CLEAN_UP_SECONDS


def test_none_while_suspended_and_after_the_end() -> None:
    limited = EXPERIMENT.max_duration(100).straggler_timeout(60)
    story = running(limited)
    story.spec(limited.suspended())
    assert deadline(story) is None
    story = with_rubbish()
    story.pass_(CLEAN_UP_SECONDS + 1)
    assert deadline(story) is None


def test_what_is_due_and_brings_nothing_is_not_asked_for_again() -> None:
    """m0 may try again, but its worker is another's now: coming back at once would never end."""
    story = running(an_experiment().size(3, parallelism=1).steps(10, 30).random_search())
    story.gone("w0")
    story.seen()
    assert story.directive("w0").member == "m1"
    assert deadline(story) == 1.0
    assert story.pass_(1.5) == ()
    at = next_deadline(story.state, story.now)
    assert at is None or at > story.now


def test_at_each_deadline_something_follows_or_it_is_over_with() -> None:
    limited = EXPERIMENT.max_duration(500).straggler_timeout(60).max_restarts(1)
    story = running(limited)
    story.report("w0", 0.5)
    story.gone("w1")
    for _ in range(60):
        at = next_deadline(story.state, story.now)
        if at is None:
            break
        assert at > story.now
        assert conclude(story.state, (), (story.now + at) / 2) is None, "it would have been late"
        story.now = at
        story.tell()
        story.seen() if not story.state.phase.ended else None
    assert story.state.phase.ended
    story.check()
