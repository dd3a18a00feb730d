"""What a worker is told: the same work under whatever number."""

from __future__ import annotations

import pytest

from population_operator.core.directives import due, finished
from population_operator.model.decision import DirectiveKind
from population_operator.model.entry import Cause, SpecObserved
from population_operator.model.report import CheckpointRef
from tests.builders import ExperimentBuilder, a_choice, a_float, a_member, an_experiment
from tests.core.story import running

EXPERIMENT = an_experiment().size(2).synchronous().steps(10, 25).truncation(0.5)


@pytest.mark.parametrize(
    ("source", "until"), [(None, 10), (0, 10), (9, 10), (10, 20), (13, 20), (20, 25), (24, 25)]
)
def test_an_interval_ends_at_the_next_boundary(source: int | None, until: int) -> None:
    ref = CheckpointRef(member="m0", directive=1, step=source) if source is not None else None
    member = a_member(0).decided(count=2, source=ref).build()
    assert due(member, EXPERIMENT.build().spec.schedule) == until


def test_who_overshot_the_end_has_finished() -> None:
    schedule = EXPERIMENT.build().spec.schedule
    assert not finished(a_member(0).with_(step=24).build(), schedule)
    assert finished(a_member(0).with_(step=25).build(), schedule)
    assert finished(a_member(0).with_(step=31).build(), schedule)


def test_kinds() -> None:
    story = running(EXPERIMENT)
    start = story.directive("w0")
    assert (start.kind, start.restore, start.resumes) == (DirectiveKind.START, None, ())
    assert (start.until, start.max_steps) == (10, 25)
    story.round(0.1, 0.9)
    exploit, resume = story.directive("w0"), story.directive("w1")
    assert exploit.kind is DirectiveKind.EXPLOIT
    assert resume.kind is DirectiveKind.RESUME
    assert exploit.restore == resume.restore
    assert exploit.until == resume.until == 20


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_end_that_a_worker_was_told_counts_though_max_steps_grows(
    synchronous: bool, at_once: bool
) -> None:
    """It waits there: nobody else would notice."""

    def until(last: int) -> ExperimentBuilder:
        builder = an_experiment().size(2).steps(10, last).truncation(0.5)
        return builder.synchronous() if synchronous else builder.asynchronous()

    story = running(until(25))
    story.round(0.1, 0.9)
    story.round(0.2, 0.8)
    assert story.directive("w0").until == 25
    reports = (story.reported("w0", 0.3), story.reported("w1", 0.7))
    grown = SpecObserved(experiment=until(40).build())
    if at_once:
        story.tell(grown, *reports)
    else:
        story.tell(grown)
        story.tell(*reports)
    assert [m.step for m in story.state.population] == [25, 25]
    assert [story.directive(name).until for name in ("w0", "w1")] == [30, 30]
    story.check()


def test_the_number_is_that_of_the_entry() -> None:
    story = running(EXPERIMENT)
    story.round(0.1, 0.9)
    assert story.directive("w0").id == story.directive("w1").id == story.entries[-1].seq


def test_a_new_incarnation_gets_a_new_number_for_the_same_work() -> None:
    story = running(EXPERIMENT)
    story.round(0.1, 0.9)
    first = story.directive("w0")
    story.gone("w0", Cause.PREEMPTED)
    second = story.directive("w0")
    assert second.id > first.id
    assert second.incarnation == 2
    assert second.resumes == (first.id,)
    same = first.model_copy(update={"id": second.id, "incarnation": 2, "resumes": second.resumes})
    assert second == same, "the seed and all the rest"
    story.gone("w0", Cause.PREEMPTED)
    story.pass_(5)
    assert story.directive("w0").resumes == (first.id, second.id)


def test_seeds_are_of_the_decision_and_fit_into_63_bits() -> None:
    story, other = running(EXPERIMENT), running(EXPERIMENT)
    seeds = []
    for _ in range(2):
        seeds += [story.directive(w).seed for w in ("w0", "w1")]
        story.round(0.1, 0.9)
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert [other.directive(w).seed for w in ("w0", "w1")] == seeds[:2]


def test_what_is_fixed_for_a_lineage_is_named() -> None:
    story = running(
        EXPERIMENT.parameters(
            a_float("lr", 0.1, 1.0), a_choice("width", "1", "2", type="integer", mutable=False)
        )
    )
    assert story.directive("w0").immutable == ("width",)
