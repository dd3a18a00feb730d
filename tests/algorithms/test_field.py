"""Rank order, and who stands in whose field."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.algorithms.field import Field, facing, of_latest_good, of_round
from population_operator.api import PopulationExperiment
from population_operator.model.state import Member
from tests.builders import MemberBuilder, a_member, a_state, an_experiment

NAN, INF = math.nan, math.inf
SYNC = an_experiment().synchronous().build()
ASYNC = an_experiment().asynchronous().build()

scores = st.floats(-10, 10) | st.sampled_from([NAN, INF, -INF, 0.0, 1.0])


def round_of(*members: MemberBuilder, experiment: PopulationExperiment = SYNC) -> Field:
    state = a_state(experiment, *members)
    return of_round(experiment, state, state.members.values())


def names(field: Field) -> list[str]:
    return [contender.member.name for contender in field]


def donors(field: Field) -> list[str]:
    return [contender.member.name for contender in field if contender.donates]


def against(member: MemberBuilder, *others: MemberBuilder) -> Field:
    state = a_state(ASYNC, member, *others)
    return facing(ASYNC, state, state.members[member.name], of_latest_good(ASYNC, state))


def test_the_best_comes_first_whatever_the_goal() -> None:
    members = [a_member(i).reported(100, score) for i, score in enumerate([0.5, 0.9, 0.1])]
    assert names(round_of(*members)) == ["m1", "m0", "m2"]
    minimized = an_experiment().synchronous().minimize().build()
    assert names(round_of(*members, experiment=minimized)) == ["m2", "m0", "m1"]


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_what_is_not_finite_ranks_last_by_index(goal: str) -> None:
    experiment = an_experiment().synchronous().set("spec.objective.goal", goal).build()
    members = [a_member(i).reported(100, s) for i, s in enumerate([NAN, INF, 0.1, -INF])]
    field = round_of(*members, experiment=experiment)
    assert names(field) == ["m2", "m0", "m1", "m3"]
    assert donors(field) == ["m2"]


def test_ties_are_broken_by_index_as_a_number() -> None:
    members = [a_member(i).reported(100, 0.5) for i in (10, 2, 0)]
    assert names(round_of(*members)) == ["m0", "m2", "m10"]


@given(st.lists(scores, max_size=9), st.randoms())
def test_the_order_is_total_and_does_not_depend_on_the_members_order(
    values: list[float], rng: random.Random
) -> None:
    members = [a_member(i).reported(100, score) for i, score in enumerate(values)]
    field = round_of(*members)
    shuffled = members[:]
    rng.shuffle(shuffled)
    assert names(round_of(*shuffled)) == names(field)
    assert all(a.beats(b) and not b.beats(a) for a, b in itertools.pairwise(field))


def test_a_member_without_a_report_is_in_no_field() -> None:
    fresh, old = a_member(0), a_member(1).reported(100, 0.5)
    assert names(round_of(fresh, old)) == ["m1"]
    assert names(against(fresh, old)) == []
    assert names(against(old, fresh)) == ["m1"]


def test_a_straggler_is_in_the_round_and_last() -> None:
    field = round_of(a_member(0).straggled(), a_member(1).reported(100, -5.0))
    assert names(field) == ["m1", "m0"]
    assert donors(field) == ["m1"]


def test_only_a_whole_checkpoint_is_donated() -> None:
    bad = a_member(0).reported(100, 0.9)
    unsaved = a_member(1).reported(100, 0.8, checkpoint=False)
    whole = a_member(2).reported(100, 0.7)
    state = a_state(SYNC, bad, unsaved, whole, bad=frozenset({bad.fields["latest"].ref}))
    field = of_round(SYNC, state, state.members.values())
    assert names(field) == ["m0", "m1", "m2"]
    assert donors(field) == ["m2"]


def test_asynchronously_the_others_stand_by_their_latest_good_report() -> None:
    me = a_member(0).reported(100, 0.5)
    other = a_member(1).reported(100, 0.9).reported(200, NAN, directive=2)
    field = against(me, other)
    assert names(field) == ["m1", "m0"]
    assert field[0].report.step == 100
    assert field[0].donates


def test_asynchronously_a_member_stands_for_itself_by_its_latest_even_a_nan() -> None:
    me = a_member(0).reported(100, 0.9).reported(200, NAN, directive=2)
    field = against(me, a_member(1).reported(100, 0.1))
    assert names(field) == ["m1", "m0"]
    assert donors(field) == ["m1"]


def test_asynchronously_who_has_just_copied_is_not_compared() -> None:
    donor = a_member(0).reported(100, 0.9)
    clone = a_member(1).reported(50, 0.1).exploited(donor.build())
    assert names(against(a_member(2).reported(100, 0.5), donor, clone)) == ["m0", "m2"]


def test_asynchronously_who_has_finished_ranks_and_donates_nothing() -> None:
    done, going = a_member(0).reported(2000, 0.9), a_member(1).reported(1900, 0.8)
    field = against(a_member(2).reported(100, 0.5), done, going)
    assert names(field) == ["m0", "m1", "m2"]
    assert donors(field) == ["m1", "m2"]


def test_synchronously_the_last_round_donates_as_any_other() -> None:
    assert donors(round_of(a_member(0).reported(2000, 0.9))) == ["m0"]


def samples(member: Member, count: int, experiment: PopulationExperiment = SYNC) -> list[float]:
    (contender,) = of_round(experiment, a_state(experiment, member), [member])
    return list(contender.samples(count))


def test_samples_of_the_report_go_before_the_lineage() -> None:
    member = a_member(0).reported(100, 9.0).reported(200, 5.0, samples=(1.0, 2.0, 3.0)).build()
    assert samples(member, 10) == [1.0, 2.0, 3.0]
    assert samples(member, 2) == [2.0, 3.0]


def test_without_samples_the_reports_along_the_lineage_count_the_donors_too() -> None:
    donor = a_member(0).reported(100, 1.0).reported(200, 2.0, directive=2).build()
    member = a_member(1).reported(100, -9.0).exploited(donor).reported(300, 3.0, directive=5)
    assert samples(member.build(), 10) == [1.0, 2.0, 3.0]
    assert samples(member.build(), 2) == [2.0, 3.0]


def test_the_lineage_ends_at_the_report_that_is_compared() -> None:
    other = a_member(1).reported(100, 1.0).reported(200, 2.0).reported(300, NAN, directive=2)
    field = against(a_member(0).reported(100, 0.0), other)
    assert field[0].samples(10) == (1.0, 2.0)


def test_a_lineage_without_the_report_is_completed_by_it() -> None:
    member = a_member(0).reported(100, 1.0).reported(200, 2.0)
    assert samples(member.with_(lineage=member.fields["lineage"][:1]).build(), 10) == [1.0, 2.0]


def test_samples_are_merits_and_what_is_not_finite_is_left_out() -> None:
    member = a_member(0).reported(100, 0.0, samples=(7.0, 1.0, NAN, -INF, 2.0)).build()
    minimized = an_experiment().synchronous().minimize().build()
    assert samples(member, 4) == [1.0, 2.0]
    assert samples(member, 4, minimized) == [-1.0, -2.0]
