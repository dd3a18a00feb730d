"""Which member trains where, and how many workers there are."""

from __future__ import annotations

from population_operator.core.turns import PATIENCE, pair, turns
from population_operator.model.entry import Cause, Issued, Phase, WorkerClosed, WorkerOpened
from population_operator.model.report import CheckpointRef
from population_operator.model.state import Worker
from tests.builders import a_member, a_state, an_experiment
from tests.core.story import Story, of, running

EXPERIMENT = an_experiment().size(4, parallelism=2).synchronous().steps(10, 100).truncation(0.25)


def idle(name: str, holds: CheckpointRef | None = None) -> Worker:
    return Worker(name=name, incarnation=1, open=True, started=True, holds=holds)


def names(pairs: list[tuple[Worker, object]]) -> list[tuple[str, str]]:
    return [(worker.name, member.name) for worker, member in pairs]  # type: ignore[attr-defined]


def test_at_the_start_there_are_as_many_workers_as_allowed() -> None:
    followed = Story(EXPERIMENT).begin()
    assert [(e.worker, e.incarnation) for e in of(WorkerOpened, followed)] == [("w0", 1), ("w1", 1)]
    assert [(e.worker, e.member) for e in of(Issued, followed)] == [("w0", "m0"), ("w1", "m1")]


def test_a_worker_that_is_done_takes_the_next_member() -> None:
    story = running(EXPERIMENT)
    followed = story.report("w1", 0.5)
    assert [(e.worker, e.incarnation, e.member) for e in of(Issued, followed)] == [("w1", 1, "m2")]
    assert of(WorkerOpened, followed) == []


def test_the_least_trained_goes_first() -> None:
    members = [a_member(0).with_(step=30), a_member(1).with_(step=10), a_member(2).with_(step=20)]
    waiting = [m.build() for m in members]
    assert names(pair([idle("w0"), idle("w1")], waiting)) == [("w0", "m1"), ("w1", "m2")]


def test_among_equals_a_member_goes_where_its_state_is() -> None:
    held = CheckpointRef(member="m2", directive=5, step=10)
    waiting = [
        a_member(0).with_(step=10).build(),
        a_member(1).with_(step=10).build(),
        a_member(2).with_(step=10).decided(count=2, source=held).build(),
    ]
    assert names(pair([idle("w0"), idle("w1", held)], waiting)) == [("w0", "m0"), ("w1", "m2")]


def test_a_clone_is_not_taken_for_the_donor_that_is_in_memory() -> None:
    held = CheckpointRef(member="m2", directive=5, step=10)
    clone = a_member(0).with_(step=10).decided(count=2, source=held).build()
    assert names(pair([idle("w0"), idle("w1", held)], [clone])) == [("w0", "m0")]


def test_who_waits_longest_goes_first_among_equals() -> None:
    late = a_member(0).with_(waiting_since=20.0).build()
    early = a_member(1).with_(waiting_since=10.0).build()
    assert names(pair([idle("w0")], [late, early])) == [("w0", "m1")]


def test_a_member_that_backs_off_leaves_its_worker_to_another() -> None:
    story = running(EXPERIMENT)
    followed = story.gone("w0")
    assert [(e.worker, e.incarnation) for e in of(WorkerOpened, followed)] == [("w0", 2)]
    assert [e.member for e in of(Issued, followed)] == ["m2"]


def test_while_everybody_backs_off_no_worker_is_opened() -> None:
    story = running(EXPERIMENT.size(1, parallelism=1).random_search())
    assert of(WorkerOpened, story.gone("w0")) == []
    assert of(WorkerOpened, story.pass_(0.5)) == []
    assert [e.incarnation for e in of(WorkerOpened, story.pass_(0.6))] == [2]


def test_workers_that_nobody_needs_any_more_are_closed() -> None:
    story = running(EXPERIMENT.size(2, parallelism=2).asynchronous().steps(10, 10))
    assert [(e.worker, e.reason) for e in of(WorkerClosed, story.report("w0", 0.5))] == [
        ("w0", "not needed")
    ]


def test_of_too_many_workers_those_stay_that_run() -> None:
    """Closing the one that runs for one that may never start would end all training."""
    story = Story(an_experiment().size(2).asynchronous().random_search().steps(10, 20))
    story.begin()
    story.seen("w0")
    for _ in range(2):
        story.report("w0", 0.5)
    assert {w.name for w in story.state.workers.values() if w.open} == {"w0", "w1"}
    story.pass_(PATIENCE + 0.1)
    assert {w.name for w in story.state.workers.values() if w.open} == {"w0"}
    assert story.directive("w0").member == "m1"
    story.check()


def test_names_order_by_number() -> None:
    experiment = an_experiment().size(12).synchronous().steps(10, 20)
    opened = of(WorkerOpened, Story(experiment).begin())
    assert [e.worker for e in opened] == [f"w{n}" for n in range(12)]


def test_nothing_turns_unless_it_runs() -> None:
    for phase in (Phase.PENDING, Phase.SUSPENDED, Phase.COMPLETE, Phase.FAILED):
        assert turns(a_state(EXPERIMENT, a_member(0), phase=phase)) == ()


def test_preempted_work_is_put_on_a_new_incarnation_at_once() -> None:
    story = running(EXPERIMENT)
    first = story.directive("w0")
    followed = story.gone("w0", Cause.PREEMPTED)
    assert [(e.worker, e.incarnation) for e in of(WorkerOpened, followed)] == [("w0", 2)]
    again = story.directive("w0")
    assert again.member in {"m0", "m2"}
    if again.member == "m0":
        assert again.resumes == (first.id,)


def test_no_member_is_ever_on_two_workers() -> None:
    story = running(EXPERIMENT)
    for step in range(30):
        name = f"w{step % 2}"
        if story.worker(name).open and story.worker(name).member:
            story.gone(name, Cause.PREEMPTED) if step % 7 == 3 else story.report(name, step / 100)
        story.pass_(3)
        story.seen()
        on = [w.member for w in story.state.workers.values() if w.member]
        assert len(on) == len(set(on))
    story.check()
