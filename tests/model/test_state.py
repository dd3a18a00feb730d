"""The small things of the state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_operator.model.report import CheckpointRef
from population_operator.model.state import State, next_boundary
from tests.builders import a_member, a_state, an_experiment


@given(st.integers(0, 10_000), st.integers(1, 500), st.integers(1, 10_000))
def test_a_boundary_lies_ahead_and_not_beyond_the_end(
    step: int, interval: int, max_steps: int
) -> None:
    found = next_boundary(step, interval, max_steps)
    assert found <= max_steps
    if step < max_steps:
        assert step < found <= step + interval
        assert found % interval == 0 or found == max_steps


def test_members_order_by_number() -> None:
    state = a_state(an_experiment().size(12), *(a_member(n) for n in (10, 2, 11, 1)))
    assert [m.name for m in state.population] == ["m1", "m2", "m10", "m11"]


def test_an_empty_journal_has_no_experiment() -> None:
    with pytest.raises(ValueError, match="the journal is empty"):
        _ = State().spec


def test_where_a_member_stands() -> None:
    source = CheckpointRef(member="m9", directive=3, step=50)
    fresh = a_member(0)
    assert fresh.build().position is None
    copied = fresh.decided(count=2, source=source)
    assert copied.build().position == source
    trained = copied.reported(60, 0.5, directive=7)
    assert trained.build().position == CheckpointRef(member="m0", directive=7, step=60)
    assert trained.straggled().build().position == source, "a missed interval is no checkpoint"
