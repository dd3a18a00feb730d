"""JSON with non-finite numbers as strings."""

from __future__ import annotations

import json
import math

import pytest

from population_worker import wire


@pytest.mark.parametrize(("value", "text"), [(math.inf, "inf"), (-math.inf, "-inf"), (0.5, 0.5)])
def test_numbers_survive(value, text):
    assert wire.encode(value) == text
    assert wire.number(wire.encode(value), "x") == value


def test_nan_survives():
    assert wire.encode(math.nan) == "nan"
    assert math.isnan(wire.number("nan", "x"))


def test_bare_non_finite_numbers_are_never_written():
    with pytest.raises(ValueError, match="JSON"):
        wire.dumps({"x": math.nan})


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "{", "", "[" * 100_000])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(wire.InvalidMessage, match="body: not JSON"):
        wire.loads(text)


def test_integers_may_come_as_floats_without_a_fraction():
    assert wire.integer(json.loads("3.0"), "x") == 3
    with pytest.raises(wire.InvalidMessage, match=r"x: .* got 3\.5"):
        wire.integer(3.5, "x")
