"""What stays on the volume, and what is deleted when."""

from __future__ import annotations

import math
from dataclasses import replace

from population_operator.core.desired import desired
from population_operator.core.retention import pending, retained
from population_operator.model.entry import Forgotten
from population_operator.model.report import CheckpointRef
from population_operator.model.state import State
from tests.builders import an_experiment
from tests.core.story import Story, running

EXPERIMENT = an_experiment().size(3).synchronous().steps(10, 100).truncation(0.34)


def doomed(state: State) -> set[CheckpointRef]:
    """The checkpoints that are known to exist and are to be deleted."""
    return {
        CheckpointRef(member=item.member, directive=item.directive, step=step)
        for item in pending(state)
        for step in state.directives[item.member, item.directive].steps
        if step not in item.keep
    }


def confirm(story: Story, worker: str = "w0") -> None:
    """The worker has deleted all it was told to."""
    slot = story.worker(worker)
    story.tell(
        Forgotten(
            worker=worker,
            incarnation=slot.incarnation,
            cursor=slot.cursor + 1,
            forgotten=pending(story.state),
        )
    )


def test_at_the_start_there_is_nothing() -> None:
    assert retained(running(EXPERIMENT).state) == frozenset()
    assert pending(State()) == ()


def test_a_donor_is_pinned_until_the_clone_has_reported() -> None:
    story = running(EXPERIMENT)
    story.round(0.1, 0.5, 0.9)
    donor = story.member("m0").decision.source
    assert donor is not None
    assert donor.member == "m2"
    story.report("w2", 0.95)  # The donor itself goes on, and stands at a newer one.
    story.report("w1", 0.6)
    assert donor in retained(story.state)
    assert donor not in doomed(story.state)
    story.report("w0", 0.2)
    assert donor not in retained(story.state) or story.state.best == donor


def test_each_members_newest_good_one_stays_whatever_comes_after() -> None:
    story = running(EXPERIMENT.random_search())
    story.round(0.1, 0.5, 0.9)
    good = story.member("m1").kept
    assert good is not None
    story.round(0.2, math.nan, 0.95)
    assert good.ref in retained(story.state)
    story.round(0.3, 0.6, 0.96)
    assert good.ref not in retained(story.state)


def test_the_best_ever_stays() -> None:
    story = running(EXPERIMENT.random_search())
    story.round(0.1, 0.5, 0.9)
    best = story.state.best
    assert best is not None
    for _ in range(3):
        story.round(0.2, 0.3, 0.4)
    assert best.ref in retained(story.state)
    assert story.member("m2").kept != best


def test_what_is_not_needed_goes_as_a_whole_directive() -> None:
    story = running(EXPERIMENT.random_search())
    first = story.directive("w0").id
    story.report("w0", 0.05, step=5)
    story.round(0.1, 0.5, 0.9)
    assert pending(story.state), "the one in the middle of the interval is not needed"
    item = next(i for i in pending(story.state) if i.member == "m0")
    assert (item.directive, item.keep) == (first, (10,))


def test_what_was_confirmed_is_not_asked_for_again() -> None:
    story = running(EXPERIMENT.random_search())
    for _ in range(3):
        story.round(0.1, 0.5, 0.9)
    assert pending(story.state)
    confirm(story)
    assert pending(story.state) == ()
    left = {(m, d) for (m, d), r in story.state.directives.items() if r.closed}
    kept = {(ref.member, ref.directive) for ref in retained(story.state)}
    assert left <= kept


def test_directives_that_somebody_continues_from_are_never_touched() -> None:
    story = running(EXPERIMENT)
    for _ in range(4):
        story.round(0.1, 0.5, 0.9)
        for member in story.state.population:
            for number in member.directives:
                assert (member.name, number) not in {
                    (item.member, item.directive) for item in pending(story.state)
                }


def test_what_is_to_be_deleted_is_never_a_source_again() -> None:
    story = running(EXPERIMENT)
    gone: set[CheckpointRef] = set()
    for number in range(8):
        story.round(*(math.sin(number * 3 + n) for n in range(3)))
        gone |= doomed(story.state)
        assert gone.isdisjoint(m.decision.source for m in story.state.population)
    assert gone


def test_one_worker_deletes_for_all() -> None:
    story = running(EXPERIMENT.random_search())
    story.round(0.1, 0.5, 0.9)
    story.round(0.2, 0.6, 0.95)
    told = [w.worker for w in desired(story.state).workers if w.directive and w.directive.forget]
    assert told == ["w0"]
    directive = desired(story.state).workers[0].directive
    assert directive is not None
    assert directive.forget == pending(story.state)


def test_who_takes_no_directives_is_not_told_what_to_delete() -> None:
    """Nobody would ever confirm it: the list would grow without end."""
    story = running(EXPERIMENT.random_search())
    story.round(0.1, 0.5, 0.9)
    story.round(0.2, 0.6, 0.95)
    cold = {n: replace(w, warm=n == "w1") for n, w in story.state.workers.items()}
    for workers, expected in ((cold, ["w1"]), ({"w0": cold["w0"]}, [])):
        state = replace(story.state, workers=workers)
        told = [w.worker for w in desired(state).workers if w.directive and w.directive.forget]
        assert told == expected


def test_after_the_end_only_the_best_and_the_newest_good_ones_stay() -> None:
    story = running(EXPERIMENT.steps(10, 20).random_search())
    story.round(0.1, 0.5, 0.9)
    story.round(0.2, 0.6, 0.8)
    assert story.state.phase.ended
    kept = [story.state.best, *(member.kept for member in story.state.population)]
    assert retained(story.state) == {report.ref for report in kept if report is not None}
    assert len(retained(story.state)) == 4
