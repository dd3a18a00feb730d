"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from population_operator.app import words
from population_operator.app.report import plotlyjs, schedules


@pytest.mark.parametrize("module", [words, plotlyjs, schedules])
def test_examples(module: ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed
