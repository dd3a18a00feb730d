"""Durations as Go spells them, and words for what is nearly right."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from population_operator.api.problems import nearest, quoted, shown, suggestion
from population_operator.api.scalars import duration, quantity, spelled


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("10m", 600, "10m"),
        ("6h", 21600, "6h"),
        ("1h30m", 5400, "1h30m"),
        ("90s", 90, "1m30s"),
        ("90m", 5400, "1h30m"),
        ("1.5h", 5400, "1h30m"),
        ("500ms", 0.5, "0.5s"),
        ("1h0m0.25s", 3600.25, "1h0.25s"),
        ("30m1h", 5400, "1h30m"),
    ],
)
def test_durations(text: str, seconds: float, written: str) -> None:
    assert duration(text) == timedelta(seconds=seconds)
    assert spelled(duration(text)) == written


@given(st.timedeltas(timedelta(microseconds=1), timedelta(hours=87600)))
def test_every_duration_is_read_back_as_it_was(value: timedelta) -> None:
    assert duration(spelled(value)) == value


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("10 minutes", "write `10m`"),
        ("6 hours", "write `6h`"),
        ("2 days", "write `48h`"),
        ("1d", "write `24h`"),
        ("30 sec", "write `30s`"),
        ("5M", "write `5m`"),
        (600, "`600s`?"),
    ],
)
def test_what_to_write_for_what_is_no_duration(text: object, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        duration(text)
    assert str(caught.value).endswith(hint)


def test_suggestions() -> None:
    known = ("maxSteps", "maxDuration", "ttlSecondsAfterFinished", "float")
    assert nearest("max_steps", known) == "maxSteps"
    assert nearest("ttl", known) == "ttlSecondsAfterFinished"
    assert nearest("Float", known) == "float"
    assert nearest("banana", known) is None
    assert suggestion("x", ()) == "nothing can be given here"
    assert suggestion("banana", ("a", "b")) == "known are `a` and `b`"


def test_values_are_shown_as_a_user_knows_them() -> None:
    assert [shown(each) for each in (True, 1.0, "a", None, [], {"a": 1}, [1, 2])] == [
        "true",
        "1",
        "'a'",
        "nothing",
        "an empty list",
        "a mapping with `a`",
        "a list of 2",
    ]
    assert len(shown("x" * 999)) == 60
    assert quoted(1.0) == '"1"'
    assert quoted(False) == '"false"'


@pytest.mark.parametrize(
    "text", ["1", "+1", "500m", "1.5", ".5", "2.", "16Gi", "1E", "1e3", "1E-3", "100u", "3n", "4k"]
)
def test_quantities(text: str) -> None:
    assert quantity(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1x", ": write 1"),
        ("16 GB", ": write 16Gi"),
        ("16gib", ": write 16Gi"),
        ("1.5 tb", ": write 1.5Ti"),
        ("500 m", ": write 500m"),
        ("512MB", ": write 512Mi"),
        ("2K", ": write 2Ki"),
        ("-1", "16Gi, got '-1'"),
        ("1e", ": write 1"),
        ("", "16Gi, got ''"),
        ("1\n", ": write 1"),
        ("ten", "16Gi, got 'ten'"),
        (0.5, ': write it in quotes, "0.5"'),
        (-1, "must be at least 0, got -1"),
        (True, "16Gi, got true"),
    ],
)
def test_what_is_nearly_a_quantity(text: object, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        quantity(text)
    assert caught.value.message().endswith(hint)
