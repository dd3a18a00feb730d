"""Entries as JSON: what is written is what is read, however it was serialised."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from population_operator.api import Goal
from population_operator.model.entry import Cause, Entry, Phase
from population_operator.model.numbers import Number
from population_operator.model.report import Report, merit
from tests.builders import a_report
from tests.conformance.entries import not_finite, plain, rich

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
NUMBERS = st.floats(width=64)
REPORTS = st.builds(
    Report,
    directive=st.integers(0, 2**53),
    member=st.text(min_size=1, max_size=10),
    step=st.integers(0, 2**53),
    score=NUMBERS,
    samples=st.lists(NUMBERS, max_size=5).map(tuple),
    metrics=st.dictionaries(st.text(max_size=5), NUMBERS, max_size=3),
    hyperparameters=st.dictionaries(st.text(max_size=5), VALUES, max_size=3),
    checkpoint=st.booleans(),
)


class One(BaseModel):
    number: Number


def strict_loads(text: str) -> Any:
    """JSON as an API server reads it: no NaN, no Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@given(NUMBERS)
def test_every_float_survives_json(number: float) -> None:
    text = One(number=number).model_dump_json()
    found = One.model_validate(strict_loads(text)).number
    assert type(found) is float
    assert found == number or (math.isnan(found) and math.isnan(number))
    assert math.copysign(1, found) == math.copysign(1, number) or math.isnan(number)


@pytest.mark.parametrize(
    ("number", "text"),
    [(math.nan, '"nan"'), (math.inf, '"inf"'), (-math.inf, '"-inf"')],
)
def test_their_spelling(number: float, text: str) -> None:
    assert One(number=number).model_dump_json() == f'{{"number":{text}}}'


def test_a_whole_number_is_read_as_a_float() -> None:
    assert type(One.model_validate_json('{"number": 1}').number) is float


@given(REPORTS)
def test_reports_survive_json(report: Report) -> None:
    again = Report.model_validate(strict_loads(report.model_dump_json()))
    assert repr(again) == repr(report)


@pytest.mark.parametrize("entry", [plain(1), rich(1), not_finite(1)])
def test_entries_survive_json_in_any_layout(entry: Entry) -> None:
    document = strict_loads(entry.model_dump_json())
    for text in (
        json.dumps(document),
        json.dumps(document, sort_keys=True, indent=1),
        entry.model_dump_json(exclude_defaults=False),
    ):
        again = Entry.model_validate_json(text)
        assert strict_loads(again.model_dump_json()) == document
    assert again.model_dump_json() == entry.model_dump_json()
    assert repr(again) == repr(entry)


def test_what_a_newer_version_added_is_refused_and_not_lost() -> None:
    document = strict_loads(plain(1).model_dump_json())
    for change in ({"shards": 2}, {"observed": [{**document["observed"][0], "zone": "a"}]}):
        with pytest.raises(ValidationError):
            Entry.model_validate({**document, **change})
    with pytest.raises(ValidationError):
        Entry.model_validate({**document, "observed": [{"kind": "comet"}]})


def test_values_are_frozen() -> None:
    with pytest.raises(ValidationError):
        plain(1).seq = 2  # type: ignore[misc]


def test_what_is_charged() -> None:
    charged = {cause for cause in Cause if cause.charged}
    assert charged == {Cause.EXITED, Cause.OUT_OF_MEMORY, Cause.STRAGGLED, Cause.REFUSED}


def test_which_phases_are_the_end() -> None:
    assert {phase for phase in Phase if phase.ended} == {Phase.COMPLETE, Phase.FAILED}


@given(NUMBERS, NUMBERS)
def test_merit_is_a_total_order_with_the_non_finite_last(one: float, other: float) -> None:
    for goal in Goal:
        a, b = merit(goal, one), merit(goal, other)
        assert not math.isnan(a)
        assert a < b or a >= b
        if math.isfinite(one) and not math.isfinite(other):
            assert a > b
    if math.isfinite(one) and math.isfinite(other) and one < other:
        assert merit(Goal.MAXIMIZE, one) < merit(Goal.MAXIMIZE, other)
        assert merit(Goal.MINIMIZE, one) > merit(Goal.MINIMIZE, other)


def test_a_reference_is_its_folders_name() -> None:
    assert str(a_report("m3", 500, 1.0, directive=17).ref) == "m3/17-500"
