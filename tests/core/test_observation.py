"""What of an observation is news, and in which order it is taken in."""

from __future__ import annotations

import pytest

from population_operator.core import observation as module
from population_operator.core.decide import decide
from population_operator.core.observation import SILENCE, Observation, PresentWorker, news
from population_operator.model.decision import Forget
from population_operator.model.entry import (
    Cause,
    Forgotten,
    Reported,
    SpecObserved,
    Troubled,
    WorkerGone,
    WorkerSeen,
)
from population_operator.model.state import State
from tests.builders import an_experiment
from tests.core.story import Story, running

BUILDER = an_experiment().size(3).synchronous().steps(10, 100).truncation(0.34)
EXPERIMENT = BUILDER.build()


def present(story: Story, *names: str, **fields: object) -> tuple[PresentWorker, ...]:
    """The current incarnations of these slots, of all open ones where none is named."""
    return tuple(
        PresentWorker(w.name, w.incarnation, w.uid or "new", **fields)  # type: ignore[arg-type]
        for w in story.state.workers.values()
        if w.open and (not names or w.name in names)
    )


def kinds(story: Story, observation: Observation) -> list[str]:
    return [event.kind for event in news(story.state, observation)]


def test_the_manifest_is_news_once() -> None:
    (event,) = news(State(), Observation(EXPERIMENT))
    assert isinstance(event, SpecObserved)
    assert news(running(BUILDER).state, Observation(EXPERIMENT)) == news(
        running(BUILDER).state, Observation(EXPERIMENT, present=())
    )


def test_the_same_world_is_no_news() -> None:
    story = running(BUILDER)
    world = Observation(EXPERIMENT, present=present(story))
    assert news(story.state, world) == ()
    assert decide(story.state, world, story.now + 5) is None


def test_a_worker_is_seen_when_it_exists_and_again_when_it_runs() -> None:
    story = Story(BUILDER)
    story.begin()
    waiting = Observation(EXPERIMENT, present=present(story, "w0", started=False))
    (event,) = news(story.state, waiting)
    assert isinstance(event, WorkerSeen)
    assert not event.started
    story.tell(event)
    assert news(story.state, waiting) == ()
    (event,) = news(story.state, Observation(EXPERIMENT, present=present(story, "w0")))
    assert isinstance(event, WorkerSeen)
    assert event.started


def test_strangers_and_old_incarnations_are_no_news() -> None:
    story = running(BUILDER)
    others = (PresentWorker("w0", 7, "x"), PresentWorker("w9", 1, "y"))
    world = Observation(EXPERIMENT, present=(*present(story), *others))
    assert news(story.state, world) == ()


def test_events_come_by_worker_and_cursor_each_once() -> None:
    story = running(BUILDER)
    events = [story.reported(f"w{n}", 0.1) for n in (2, 0, 1)]
    second = events[1].model_copy(update={"cursor": 2})
    world = Observation(EXPERIMENT, present(story), events=(*events, second, *events))
    found = news(story.state, world)
    assert [(e.worker, e.cursor) for e in found if isinstance(e, Reported)] == [
        ("w0", 1),
        ("w0", 2),
        ("w1", 1),
        ("w2", 1),
    ]


def test_what_is_in_the_journal_is_no_news() -> None:
    story = running(BUILDER)
    event = story.reported("w0", 0.1)
    story.tell(event)
    assert news(story.state, Observation(EXPERIMENT, present(story), events=(event,))) == ()


def test_what_a_worker_said_before_it_died_is_heard_first() -> None:
    story = running(BUILDER)
    gone = WorkerGone(worker="w0", incarnation=1, cause=Cause.EXITED, detail="x")
    world = Observation(
        EXPERIMENT, present(story, "w1", "w2"), (gone,), (story.reported("w0", 0.1),)
    )
    assert kinds(story, world) == ["report", "gone"]


def test_a_flood_is_taken_in_batches_and_nobody_is_buried_before_he_was_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    story = running(BUILDER)
    gone = WorkerGone(worker="w2", incarnation=1, cause=Cause.EXITED)
    events = tuple(story.reported(f"w{n}", 0.1) for n in range(3))
    world = Observation(EXPERIMENT, present(story, "w0", "w1"), (gone,), events)
    entries = []
    while entry := decide(story.state, world, story.now):
        entries.append([e.kind for e in entry.observed])
        story.tell(*entry.observed)
        assert len(entries) < 10
    assert entries == [["report", "report"], ["report", "gone"]]


def test_a_batch_is_bounded_by_its_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 5_000)
    story = running(BUILDER)
    samples = tuple(float(i) for i in range(1000))
    events = tuple(story.reported(f"w{n}", 0.1, samples=samples) for n in range(3))
    taken = []
    while entry := decide(story.state, Observation(EXPERIMENT, present(story), (), events), 0):
        taken.append(len(entry.observed))
        story.tell(*entry.observed)
    assert taken == [1, 1, 1], "each is larger than that, and is taken alone"


def test_one_that_was_seen_and_is_missing_has_vanished() -> None:
    story = running(BUILDER)
    (event,) = news(story.state, Observation(EXPERIMENT, present(story, "w0", "w2")))
    assert isinstance(event, WorkerGone)
    assert (event.worker, event.cause) == ("w1", Cause.VANISHED)


def test_one_that_was_never_seen_is_only_late() -> None:
    story = Story(BUILDER)
    story.begin()
    assert news(story.state, Observation(EXPERIMENT)) == ()


def test_a_known_cause_goes_before_a_guess() -> None:
    story = running(BUILDER)
    told = WorkerGone(worker="w1", incarnation=1, cause=Cause.EVICTED, detail="disk pressure")
    world = Observation(EXPERIMENT, present(story, "w0", "w2"), (told,))
    assert news(story.state, world) == (told,)
    old = told.model_copy(update={"incarnation": 0})
    (event,) = news(story.state, Observation(EXPERIMENT, present(story, "w0", "w2"), (old,)))
    assert isinstance(event, WorkerGone)
    assert event.cause is Cause.VANISHED


def test_a_silent_worker_is_given_up_while_others_answer() -> None:
    story = running(BUILDER)
    silent = present(story, "w0", silent_for=SILENCE)
    world = Observation(EXPERIMENT, (*silent, *present(story, "w1", "w2")))
    (event,) = news(story.state, world)
    assert isinstance(event, WorkerGone)
    assert (event.worker, event.cause) == ("w0", Cause.UNREACHABLE)
    story.tell(event)
    assert story.member("m0").failures == 0, "uncharged"


def test_a_worker_that_refuses_its_directive_is_ended_and_charged() -> None:
    story = running(BUILDER)
    refuses = present(story, "w0", refusal="until: 3 is not beyond restore.step 4")
    (event,) = news(story.state, Observation(EXPERIMENT, (*refuses, *present(story, "w1", "w2"))))
    assert isinstance(event, WorkerGone)
    assert (event.worker, event.cause) == ("w0", Cause.REFUSED)
    assert event.detail == "it refuses its directive: until: 3 is not beyond restore.step 4"
    story.tell(event)
    assert story.member("m0").failures == 1


def test_when_nobody_answers_it_is_we_who_are_cut_off() -> None:
    story = running(BUILDER)
    world = Observation(EXPERIMENT, present(story, silent_for=SILENCE * 10))
    assert news(story.state, world) == ()


def test_one_that_has_never_answered_does_not_answer() -> None:
    story = running(BUILDER)
    silent = present(story, "w0", silent_for=SILENCE)
    starts = present(story, "w1", "w2", answered=False)
    assert news(story.state, Observation(EXPERIMENT, (*silent, *starts))) == ()


def test_confirmed_deletions_alone_are_worth_no_entry() -> None:
    story = running(BUILDER)
    done = Forgotten(
        worker="w0", incarnation=1, cursor=1, forgotten=(Forget(member="m0", directive=1),)
    )
    assert kinds(story, Observation(EXPERIMENT, present(story), events=(done,))) == []
    report = story.reported("w1", 0.1)
    world = Observation(EXPERIMENT, present(story), events=(done, report))
    assert kinds(story, world) == ["forgotten", "report"]


def test_after_the_end_they_are() -> None:
    builder = BUILDER.steps(10, 10)
    story = running(builder)
    story.report("w0", 0.05, step=5)
    story.round(0.1, 0.2, 0.3)
    assert story.state.phase.ended
    (worker,) = [w for w in story.state.workers.values() if w.open]
    done = Forgotten(worker=worker.name, incarnation=1, cursor=worker.cursor + 1, forgotten=())
    world = Observation(builder.build(), present(story), events=(done,))
    assert kinds(story, world) == ["forgotten"]


def test_the_same_trouble_is_told_once() -> None:
    story = running(BUILDER)
    trouble = Troubled(worker="w0", incarnation=1, cursor=1, member="m0", reason="disk full")
    story.tell(trouble)
    again = trouble.model_copy(update={"cursor": 2})
    assert kinds(story, Observation(EXPERIMENT, present(story), events=(again,))) == []
    other = again.model_copy(update={"reason": "read-only"})
    assert kinds(story, Observation(EXPERIMENT, present(story), events=(other,))) == ["trouble"]
