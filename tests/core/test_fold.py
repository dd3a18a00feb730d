"""What each event does to the state, and what it must not do."""

from __future__ import annotations

import math

import pytest

from population_operator.core.fold import JournalGapError, fold
from population_operator.model.decision import Decision, DecisionKind, Forget
from population_operator.model.entry import (
    Cause,
    Decided,
    Entry,
    Forgotten,
    Reported,
    Troubled,
    WorkerGone,
    WorkerSeen,
)
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import LINEAGE_REPORTS, State
from tests.algorithms.bandits import a_bandit
from tests.builders import an_experiment
from tests.core.story import Story, running

EXPERIMENT = an_experiment().size(3).synchronous().steps(10, 100).truncation(0.34)


@pytest.mark.parametrize("seq", [0, 2, 7])
def test_a_gap_is_an_error(seq: int) -> None:
    with pytest.raises(JournalGapError, match=f"entry {seq} does not follow entry 0"):
        fold(State(), Entry(seq=seq, time=1.0))


def test_the_old_state_stays_as_it_was() -> None:
    story = running(EXPERIMENT)
    before = story.state
    copy = (dict(before.members), dict(before.workers), dict(before.directives), before.seq)
    story.round(0.1, 0.2, 0.3)
    assert (before.members, before.workers, before.directives, before.seq) == copy


def test_a_clock_that_is_set_back_undoes_no_time() -> None:
    story = running(EXPERIMENT)
    story.now = 5.0
    story.report("w0", 0.1)
    assert story.state.time == 1000.0
    assert story.state.active >= 0.0


def test_time_suspended_is_not_active() -> None:
    story = running(EXPERIMENT)
    story.now += 10
    story.spec(EXPERIMENT.suspended())
    story.now += 1000
    story.spec(EXPERIMENT)
    story.now += 5
    story.seen()
    assert story.state.active == 15.0


# --- which reports count ---


def test_a_report_counts_once() -> None:
    story = running(EXPERIMENT)
    event = story.reported("w0", 0.5)
    story.tell(event)
    after = story.state
    story.tell(event)
    assert story.state.reports == after.reports == 1
    assert story.member("m0").lineage == (event.report,)


@pytest.mark.parametrize(
    "changes",
    [
        {"incarnation": 7},
        {"worker": "w1"},
        {"worker": "w9"},
        {"report": {"directive": 99}},
        {"report": {"member": "m1"}},
        {"report": {"member": "m99"}},
        {"report": {"step": 0}},
        {"report": {"step": -5}},
    ],
)
def test_reports_that_are_not_the_members_own_do_not_count(changes: dict[str, object]) -> None:
    story = running(EXPERIMENT)
    event = story.reported("w0", 0.5).model_dump()
    event["report"] |= changes.pop("report", {})  # type: ignore[call-overload]
    story.tell(Reported.model_validate({**event, **changes}))
    assert story.state.reports == 0
    assert story.state.best is None
    assert not story.member("m0").reported


def test_a_report_in_the_middle_of_an_interval_counts_and_ends_nothing() -> None:
    story = running(EXPERIMENT)
    story.report("w0", 0.5, step=4)
    member = story.member("m0")
    assert (member.step, member.reported, member.failures) == (4, False, 0)
    assert member.good is not None
    story.report("w0", 0.6, step=13)
    assert (story.member("m0").step, story.member("m0").reported) == (13, True)


def test_a_report_of_a_superseded_directive_only_says_what_lies_on_the_volume() -> None:
    story = running(EXPERIMENT)
    old = story.reported("w0", 9.0)
    story.gone("w0", Cause.PREEMPTED)
    story.seen()
    story.tell(old)
    assert story.state.reports == 0, "it is another incarnation's"
    again = story.reported("w0", 0.5, directive=old.report.directive)
    story.tell(again)
    assert story.member("m0").latest == again.report, "what is resumed keeps its own id"


def test_after_the_end_nothing_counts() -> None:
    story = running(EXPERIMENT.target(0.5))
    late = story.reported("w1", 99.0)
    story.report("w0", 0.6)
    best = story.state.best
    story.tell(late)
    assert story.state.best == best
    assert story.state.reports == 1


# --- the books of a member ---


def test_the_best_is_the_best_and_ties_go_to_the_later_step() -> None:
    story = running(EXPERIMENT)
    story.round(0.5, 0.9, 0.1)
    assert story.state.best is not None
    assert story.state.best.member == "m1"
    story.report("w1", 0.9)
    assert story.state.best.step == 20
    story.report("w0", 0.8)
    assert story.state.best.step == 20


def test_minimising_turns_it_around() -> None:
    story = running(EXPERIMENT.minimize())
    story.round(0.5, 0.9, 0.1)
    assert story.state.best is not None
    assert story.state.best.member == "m2"


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_the_latest_but_never_good(score: float) -> None:
    story = running(EXPERIMENT)
    story.report("w0", score)
    member = story.member("m0")
    assert member.latest is not None
    assert (member.good, member.kept, story.state.best) == (None, None, None)
    assert member.step == 10


def test_a_report_without_a_checkpoint_is_good_but_not_kept() -> None:
    story = running(EXPERIMENT)
    story.report("w0", 0.5, checkpoint=False)
    assert story.member("m0").good is not None
    assert story.member("m0").kept is None


def test_the_seconds_of_a_trial_are_those_of_all_its_reports() -> None:
    story = running(a_bandit("successiveHalving", 3, workers=3))
    until = story.directive("w0").until
    story.report("w0", 0.5, step=4, seconds={"train": 1.5, "save": 9.0})
    story.report("w0", 0.5, step=8, seconds={"train": 2.0})
    story.tell(*(story.reported(w, 0.4, seconds={"train": 3.0}) for w in ("w0", "w1", "w2")))
    story.report("w0", 0.6, seconds={"train": 10.0})
    found = [[(r.step, r.seconds) for r in m.rungs] for m in story.state.population]
    assert found == [[(until, 6.5), (81, 16.5)], [(until, 3.0)], [(until, 3.0)]]
    story.check()


def test_seconds_that_one_report_does_not_tell_are_not_known() -> None:
    story = running(a_bandit("successiveHalving", 3, workers=3))
    story.report("w0", 0.5, step=4)
    story.report("w0", 0.5, seconds={"train": 2.0})
    assert story.member("m0").rungs[0].seconds is None


def test_a_trial_that_begins_again_from_zero_counts_its_seconds_anew() -> None:
    story = running(a_bandit("successiveHalving", 3, workers=3))
    story.tell(
        *(
            story.reported(worker, score, seconds={"train": 3.0}, checkpoint=False)
            for worker, score in (("w0", 0.3), ("w1", 0.2), ("w2", 0.1))
        )
    )
    assert story.member("m0").decision.source is None
    story.report("w0", 0.6, seconds={"train": 9.0})
    assert [result.seconds for result in story.member("m0").rungs] == [3.0, 9.0]


def test_a_lineage_is_bounded() -> None:
    story = running(an_experiment().size(1).random_search().asynchronous().steps(1, 10_000))
    for score in range(LINEAGE_REPORTS + 5):
        story.report("w0", float(score))
    lineage = story.member("m0").lineage
    assert len(lineage) == LINEAGE_REPORTS
    assert lineage[-1].score == LINEAGE_REPORTS + 4


def test_decisions_of_one_entry_are_simultaneous() -> None:
    """m0 copies m1 while m1 copies m2: m0 gets what m1 had, not what it becomes."""
    story = running(EXPERIMENT)
    for worker, score in (("w0", 0.1), ("w1", 0.5)):
        story.report(worker, score)

    def exploit(member: str, donor: str, directive: int) -> Decided:
        source = CheckpointRef(member=donor, directive=directive, step=10)
        return Decided(
            decision=Decision(
                member=member,
                count=2,
                kind=DecisionKind.EXPLOIT,
                hyperparameters={"lr": 0.1},
                source=source,
                at_step=10,
            )
        )

    before = {name: story.member(name).lineage for name in ("m1", "m2")}
    last = story.reported("w2", 0.9)
    seq = story.state.seq + 1
    ids = {n: story.directive(f"w{n[1]}").id for n in ("m1", "m2")}
    state = fold(
        story.state,
        Entry(
            seq=seq,
            time=story.now,
            observed=(last,),
            decided=(exploit("m1", "m2", ids["m2"]), exploit("m0", "m1", ids["m1"])),
        ),
    )
    assert state.members["m0"].lineage == before["m1"]
    assert state.members["m1"].lineage == (last.report,)
    assert state.members["m0"].score == 0.5
    assert state.exploits == 2
    for name in ("m0", "m1"):
        member = state.members[name]
        assert (member.latest, member.good, member.reported) == (None, None, False)
        assert member.step == 10


def test_values_come_in_their_declared_type() -> None:
    story = Story(EXPERIMENT)
    story.begin()
    decision = Decision(member="m0", count=2, kind=DecisionKind.CONTINUE, hyperparameters={"lr": 1})
    entry = Entry(seq=2, time=1.0, decided=(Decided(decision=decision),))
    found = fold(story.state, entry).members["m0"].decision.hyperparameters["lr"]
    assert isinstance(found, float)


# --- workers ---


def test_events_of_another_incarnation_change_nothing() -> None:
    story = running(EXPERIMENT)
    story.gone("w0", Cause.PREEMPTED)
    before = story.worker("w0")
    at = {"worker": "w0", "incarnation": 1}
    story.tell(
        WorkerSeen(**at, uid="old", started=True),
        WorkerGone(**at, cause=Cause.EXITED),
        Troubled(**at, cursor=1, member="m0", reason="x"),
    )
    assert story.worker("w0") == before
    assert before.incarnation == 2


def test_losses_in_a_row_are_counted_until_it_delivers() -> None:
    story = running(EXPERIMENT)
    for losses in (1, 2):
        story.gone("w0", Cause.VANISHED)
        story.pass_(10)
        assert story.worker("w0").losses == losses
    story.seen()
    story.report("w0", 0.5)
    assert story.worker("w0").losses == 0


def test_trouble_is_remembered_until_a_report() -> None:
    story = running(EXPERIMENT)
    story.tell(Troubled(worker="w0", incarnation=1, cursor=1, member="m0", reason="disk full"))
    assert story.worker("w0").trouble == "disk full"
    story.report("w0", 0.5)
    assert story.worker("w0").trouble == ""


def test_deletions_are_struck_off_only_where_nobody_continues() -> None:
    story = running(EXPERIMENT)
    directive = story.directive("w0").id
    forgotten = (Forget(member="m0", directive=directive), Forget(member="x", directive=1))
    story.report("w0", 0.5, step=5)
    cursor = story.worker("w0").cursor + 1
    story.tell(Forgotten(worker="w0", incarnation=1, cursor=cursor, forgotten=forgotten))
    assert story.state.directives["m0", directive].steps == (5,), "it is still trained under"


def test_reports_carry_no_state_between_members() -> None:
    """A report that names somebody else's directive of the same number stays without effect."""
    story = running(EXPERIMENT)
    shared = story.directive("w0").id
    assert story.directive("w1").id == shared, "one entry, one number: the member makes it unique"
    report = Report(directive=shared, member="m1", step=10, score=1.0)
    story.tell(Reported(worker="w0", incarnation=1, cursor=1, report=report))
    assert story.state.reports == 0
