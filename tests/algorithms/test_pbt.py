"""Population based training: who is compared, what is copied, what it becomes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.pbt import PopulationBasedTraining
from population_operator.algorithms.start import start
from population_operator.api import PopulationExperiment
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.key import Key
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import Member, State
from tests.builders import (
    ExperimentBuilder,
    MemberBuilder,
    a_float,
    a_member,
    a_report,
    a_state,
    an_experiment,
)

NAN, INF = math.nan, math.inf
KEY = Key("seed:7")
SYNC = an_experiment().synchronous()
ASYNC = an_experiment().asynchronous()

scores = st.floats(-10, 10) | st.sampled_from([NAN, INF, -INF, 0.0, 1.0])
exploits = st.sampled_from(
    [
        {"truncation": {"fraction": 0.2}},
        {"truncation": {"fraction": 0.5}},
        {"binaryTournament": {}},
        {"tTest": {}},
    ]
)


def decide(
    experiment: PopulationExperiment,
    *members: MemberBuilder | Member,
    ready: Sequence[int] | None = None,
    free: int = 0,
    key: Key = KEY,
    **fields: object,
) -> tuple[Decision, ...]:
    """The answers; everybody is ready unless said otherwise."""
    state = a_state(experiment, *members, **fields)
    wanted = tuple(state.members) if ready is None else tuple(f"m{i}" for i in ready)
    return PopulationBasedTraining().decide(experiment, state, wanted, free, key)


def scored(*values: float, step: int = 100) -> list[MemberBuilder]:
    """Members with these scores, each with a learning rate of its own."""
    return [a_member(i).having(lr=0.01 * (i + 1)).reported(step, v) for i, v in enumerate(values)]


def kinds(decisions: Sequence[Decision]) -> list[str]:
    return [str(decision.kind) for decision in decisions]


# --- what an answer looks like -------------------------------------------------------------------


def test_an_exploit_copies_the_reports_checkpoint_and_moves_its_hyperparameters() -> None:
    loser, _ = decide(SYNC.resample(0).build(), *scored(0.1, 0.9))
    assert loser.kind is DecisionKind.EXPLOIT
    assert loser.source == CheckpointRef(member="m1", directive=1, step=100)
    assert loser.hyperparameters["lr"] in (pytest.approx(0.016), pytest.approx(0.024))
    assert (loser.member, loser.count, loser.at_step) == ("m0", 2, 100)
    assert loser.reason == "score 0.1 ranks 2nd of 2; copies m1 (0.9 at step 100)"


def test_who_is_not_exploited_continues_as_it_is() -> None:
    _, winner = decide(SYNC.build(), *scored(0.1, 0.9))
    assert winner.kind is DecisionKind.CONTINUE
    assert winner.hyperparameters == {"lr": 0.02}
    assert winner.source == CheckpointRef(member="m1", directive=1, step=100)
    assert (winner.count, winner.at_step) == (2, 100)
    assert winner.reason == "score 0.9 ranks 1st of 2; continues"


def test_the_first_call_is_the_start_design_and_new_members_come_last() -> None:
    experiment = SYNC.size(3).build()
    assert decide(experiment, free=3) == start(experiment, State(), 3, KEY)
    grown = decide(experiment, *scored(0.1, 0.9), free=9)
    assert [d.member for d in grown] == ["m0", "m1", "m2"]
    assert kinds(grown) == ["exploit", "continue", "start"]


def test_each_count_of_decisions_draws_its_own_numbers() -> None:
    experiment = SYNC.resample(1).build()
    rates = set()
    for count in range(1, 20):
        members = scored(0.1, 0.9)
        members[0] = members[0].decided(count=count)
        loser, _ = decide(experiment, *members)
        assert loser.count == count + 1
        rates.add(loser.hyperparameters["lr"])
    assert len(rates) == 19


# --- synchronous ---------------------------------------------------------------------------------


def test_a_round_compares_the_ready_among_themselves() -> None:
    ahead = a_member(2).reported(200, 5.0)
    loser, winner = decide(SYNC.build(), *scored(0.1, 0.9), ahead, ready=(0, 1))
    assert loser.source == CheckpointRef(member="m1", directive=1, step=100)
    assert winner.reason.endswith("1st of 2; continues")


def test_in_a_round_a_nan_is_no_donor_though_an_earlier_report_was_good() -> None:
    once = a_member(0).reported(100, 9.0).reported(200, NAN, directive=2)
    loser, winner = decide(SYNC.build(), once, a_member(1).reported(200, 0.5))
    assert str(loser.source) == "m1/1-200"
    assert winner.kind is DecisionKind.CONTINUE


def test_a_straggler_of_a_round_ranks_last_and_copies() -> None:
    late = a_member(0).reported(100, 9.0).straggled()
    loser, _ = decide(SYNC.build(), late, a_member(1).reported(200, 0.5))
    assert (loser.kind, loser.at_step) == (DecisionKind.EXPLOIT, 100)
    assert str(loser.source) == "m1/1-200"


def test_a_straggler_that_is_spared_continues_from_its_decisions_source() -> None:
    late = a_member(0).decided(count=3, source=a_report(0, 100, 0.5).ref).straggled()
    decisions = decide(SYNC.build(), late, a_member(1).straggled())
    assert kinds(decisions) == ["continue", "continue"]
    assert str(decisions[0].source) == "m0/1-100"
    assert decisions[1].source is None


# --- asynchronous --------------------------------------------------------------------------------


def test_whoever_is_ready_is_compared_with_everybody_at_any_step() -> None:
    slow = a_member(0).reported(100, 0.1)
    fast = a_member(1).reported(900, 0.9)
    (decision,) = decide(ASYNC.build(), slow, fast, ready=(0,))
    assert str(decision.source) == "m1/1-900"
    assert decision.at_step == 100
    assert decision.reason == "score 0.1 ranks 2nd of 2; copies m1 (0.9 at step 900)"


def test_the_report_that_was_compared_is_copied_not_the_donors_newest_nan() -> None:
    donor = a_member(1).reported(100, 0.9).reported(200, NAN, directive=2)
    (decision,) = decide(ASYNC.build(), a_member(0).reported(100, 0.1), donor, ready=(0,))
    assert str(decision.source) == "m1/1-100"


def test_alone_with_members_that_have_nothing_good_it_continues() -> None:
    donor = a_member(1).reported(100, 0.9)
    clone = a_member(2).exploited(donor.build())
    silent = a_member(3)
    (decision,) = decide(ASYNC.build(), a_member(0).reported(100, NAN), clone, silent, ready=(0,))
    assert decision.kind is DecisionKind.CONTINUE
    assert str(decision.source) == "m0/1-100"
    assert "ranks 1st of 1" in decision.reason


def test_the_donors_current_hyperparameters_are_those_of_the_copied_report() -> None:
    """A `continue` keeps them; after its own exploit a donor is none until it reports again."""
    experiment = ASYNC.resample(0).factors(1.5).build()
    loser = a_member(0).reported(100, 0.1)
    donor = a_member(1).having(lr=0.2).reported(100, 0.9)
    (at_once,) = decide(experiment, loser, donor, ready=(0,))
    (later,) = decide(experiment, loser, donor.decided(count=2), ready=(0,))
    assert at_once.hyperparameters == later.hyperparameters == {"lr": pytest.approx(0.3)}
    better = a_member(2).reported(100, 1.0).build()
    moved = donor.having(lr=0.7).exploited(better)
    (other,) = decide(experiment, loser, moved, ready=(0,))
    assert other.kind is DecisionKind.CONTINUE
    reported_again = moved.reported(200, 0.95, directive=3)
    (again,) = decide(experiment, loser, reported_again, ready=(0,))
    assert again.hyperparameters == {"lr": 1.0}
    assert str(again.source) == "m1/3-200"


def test_the_echo_in_the_report_is_not_what_is_explored() -> None:
    echoing = a_member(1).having(lr=0.2).reported(100, 0.9, hyperparameters={"lr": 0.9})
    experiment = ASYNC.resample(0).factors(1.5).build()
    (decision,) = decide(experiment, a_member(0).reported(100, 0.1), echoing, ready=(0,))
    assert decision.hyperparameters == {"lr": pytest.approx(0.3)}


def test_a_batch_is_answered_against_one_state() -> None:
    experiment = ASYNC.tournament().build()
    members = scored(0.3, 0.1, 0.9, 0.5, 0.7)
    together = decide(experiment, *members)
    apart = [decide(experiment, *members, ready=(i,))[0] for i in range(5)]
    assert list(together) == apart
    assert DecisionKind.EXPLOIT in [d.kind for d in together]
    reports = {f"m{i}/1-100" for i in range(5)}
    assert {str(d.source) for d in together} <= reports


def test_from_a_member_that_has_finished_nothing_is_copied() -> None:
    (decision,) = decide(
        ASYNC.build(), a_member(0).reported(100, 0.1), a_member(1).reported(2000, 0.9), ready=(0,)
    )
    assert decision.kind is DecisionKind.CONTINUE
    assert "nobody has a checkpoint to copy" in decision.reason


# --- donors and baselines ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [SYNC, ASYNC])
def test_a_bad_checkpoint_is_not_copied(mode: ExperimentBuilder) -> None:
    members = scored(0.1, 0.9, 0.5)
    bad = frozenset({members[1].fields["latest"].ref})
    decision, *_ = decide(mode.build(), *members, bad=bad)
    assert str(decision.source) == "m2/1-100"
    decision, *_ = decide(mode.build(), *scored(0.1, 0.9), bad=bad)
    assert decision.kind is DecisionKind.CONTINUE


@pytest.mark.parametrize("mode", [SYNC, ASYNC])
def test_a_report_without_a_checkpoint_is_not_copied(mode: ExperimentBuilder) -> None:
    unsaved = a_member(1).reported(100, 0.9, checkpoint=False)
    decision, _ = decide(mode.build(), a_member(0).reported(100, 0.1), unsaved)
    assert decision.kind is DecisionKind.CONTINUE


@pytest.mark.parametrize("mode", [SYNC, ASYNC])
def test_a_baseline_is_compared_and_copied_but_never_changed(mode: ExperimentBuilder) -> None:
    worst = a_member(0).as_baseline().reported(100, 0.1)
    best = a_member(1).as_baseline().reported(100, 0.9)
    other = a_member(2).reported(100, 0.5)
    decisions = decide(mode.truncation(0.5).build(), worst, best, other)
    assert kinds(decisions) == ["continue", "continue", "continue"]
    assert decisions[0].reason == "a baseline is never changed; it ranks 3rd of 3"
    copied, *_ = decide(mode.build(), a_member(0).reported(100, 0.1), best)
    assert str(copied.source) == "m1/1-100"


# --- properties ----------------------------------------------------------------------------------


@given(
    exploits,
    st.booleans(),
    st.lists(scores, min_size=1, max_size=8),
    st.integers(0, 3),
    st.integers(0, 1000),
)
def test_every_answer_is_well_formed(
    exploit: dict[str, object], synchronous: bool, values: list[float], baselines: int, seed: int
) -> None:
    experiment = ASYNC.pbt(exploit=exploit).set("spec.schedule.synchronous", synchronous).build()
    members = [
        m.as_baseline().build() if m.index < baselines else m.build() for m in scored(*values)
    ]
    decisions = decide(experiment, *members, key=Key(f"seed:{seed}"))
    finite = {str(m.latest.ref) for m in members if m.latest and m.latest.finite}
    assert [d.member for d in decisions] == [m.name for m in members]
    for member, decision in zip(members, decisions, strict=True):
        assert decision.count == 2
        assert decision.at_step == member.step
        assert decision.source is not None
        assert decision.reason
        if decision.kind is DecisionKind.EXPLOIT:
            assert not member.baseline
            assert decision.source.member != member.name
            assert str(decision.source) in finite
            assert 1e-4 <= decision.hyperparameters["lr"] <= 1.0
        else:
            assert decision.kind is DecisionKind.CONTINUE
            assert decision.source == member.position
            assert decision.hyperparameters == member.decision.hyperparameters


@given(exploits, st.booleans(), st.lists(scores, min_size=1, max_size=8), st.randoms())
def test_answers_do_not_depend_on_the_order_in_which_members_are_named(
    exploit: dict[str, object], synchronous: bool, values: list[float], rng: random.Random
) -> None:
    experiment = ASYNC.pbt(exploit=exploit).set("spec.schedule.synchronous", synchronous).build()
    members = scored(*values)
    shuffled, ready = members[:], list(range(len(members)))
    rng.shuffle(shuffled)
    rng.shuffle(ready)
    assert decide(experiment, *shuffled, ready=ready) == decide(experiment, *members)


@given(st.floats(0.01, 0.5), st.lists(st.floats(-9, 9), min_size=2, max_size=8))
def test_truncation_changes_exactly_k_members_of_a_round(
    fraction: float, values: list[float]
) -> None:
    decisions = decide(SYNC.truncation(fraction).build(), *scored(*values))
    k = min(max(1, math.ceil(fraction * len(values))), len(values) // 2)
    assert kinds(decisions).count("exploit") == k


# --- the paper's Figure 2 ------------------------------------------------------------------------


def _figure_2(experiment: PopulationExperiment, key: Key) -> float:
    """Two members climb the surrogate 1.2 - h0 t0^2 - h1 t1^2 from (0.9, 0.9); the best Q."""
    begin = decide(experiment, free=2, key=key)
    members = [a_member(i).having(**d.hyperparameters).build() for i, d in enumerate(begin)]
    weights = {d.member: (0.9, 0.9) for d in begin}
    best = -INF
    for step in range(4, 201, 4):
        trained = [_trained(member, weights, step) for member in members]
        best = max(best, *(m.latest.score for m in trained if m.latest))
        answers = decide(experiment, *trained, key=key)
        weights = {d.member: weights[d.source.member] for d in answers if d.source}
        members = [replace(m, decision=d) for m, d in zip(trained, answers, strict=True)]
    return best


def _trained(member: Member, weights: dict[str, tuple[float, float]], step: int) -> Member:
    h0, h1 = (float(member.decision.hyperparameters[name]) for name in ("h0", "h1"))
    t0, t1 = weights[member.name]
    for _ in range(4):
        t0, t1 = t0 - 0.01 * 2 * h0 * t0, t1 - 0.01 * 2 * h1 * t1
    weights[member.name] = (t0, t1)
    score = 1.2 - t0 * t0 - t1 * t1
    report = Report(directive=1, member=member.name, step=step, score=score)
    return replace(member, step=step, latest=report, good=report)


def test_figure_2_of_the_paper_is_climbed_from_a_tie_and_from_zeros() -> None:
    experiment = (
        SYNC.size(2)
        .steps(4, 200)
        .parameters(a_float("h0", 0, 1), a_float("h1", 0, 1))
        .initial({"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0})
        .resample(0.25)
        .build()
    )
    reached = [_figure_2(experiment, Key(f"seed:{seed}")) for seed in range(40)]
    assert sum(q >= 1.19 for q in reached) >= 38
