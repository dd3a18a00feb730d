"""Reports take the numbers of any library, and survive a manifest."""

from __future__ import annotations

import math

import numpy
import pytest

from population_worker.report import Measurement, Report, measure, parse_report


def test_numbers_of_any_library_become_pythons():
    measured = measure(numpy.int64(5), numpy.float32(0.5), numpy.array([1, 2]), {"loss": 3})
    assert measured == Measurement(5, 0.5, (1.0, 2.0), {"loss": 3.0})
    assert type(measured.step) is int
    assert type(measured.samples[0]) is float


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5.5, 0.5, [], {}), "step: expected an integer, got 5.5"),
        ((5, None, [], {}), "score: expected a number, got None"),
        ((5, 0.5, [1, "x"], {}), r"samples\[1\]: expected a number, got 'x'"),
        ((5, 0.5, [], {"loss": "low"}), "loss: expected a number, got 'low'"),
    ],
)
def test_what_is_no_number_is_named(arguments, message):
    with pytest.raises(TypeError, match=message):
        measure(*arguments)


def test_a_report_survives_its_json():
    measured = Measurement(5, -math.inf, (math.inf,), {"loss": math.inf})
    report = Report(17, "m3", measured, {"lr": 0.1, "optimizer": "sgd"}, True, {"train": 1.5})
    encoded = report.to_json()
    assert encoded["score"] == "-inf"
    assert encoded["samples"] == ["inf"]
    assert parse_report(encoded, "report") == report


def test_a_score_that_is_not_a_number_survives():
    encoded = Report(1, "m3", Measurement(5, math.nan), {}, True, {}).to_json()
    assert math.isnan(parse_report(encoded, "report").measurement.score)
