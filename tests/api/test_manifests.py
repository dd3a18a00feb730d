"""Every bad manifest is refused with its paths and reasons; every good one is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from population_operator.api import ManifestError, PopulationExperiment, parse
from population_operator.app.manifest import load
from tests.api import corpus

JARGON = re.compile(
    r"Input should|validation error|pydantic|Traceback|_type|NoneType|dict\b|<class|\bnull\b|\n"
)


def test_there_are_enough_of_them() -> None:
    assert len(corpus.bad()) >= 100
    assert len(corpus.good()) >= 30


@pytest.mark.parametrize("manifest", corpus.bad(), ids=lambda bad: bad.path.stem)
def test_a_bad_manifest_is_refused_with_path_and_reason(manifest: corpus.Bad) -> None:
    assert manifest.expected, "says nothing of what is expected"
    with pytest.raises(ManifestError) as caught:
        load(manifest.path)
    told = [str(problem) for problem in caught.value.problems]
    for beginning in manifest.expected:
        assert any(line.startswith(beginning) for line in told), (beginning, told)
    assert len(told) == len(manifest.expected), told
    for problem in caught.value.problems:
        assert not JARGON.search(str(problem)), problem
        assert problem.path, problem


@pytest.mark.parametrize("path", corpus.good(), ids=lambda path: path.stem)
def test_a_good_manifest_is_read_and_survives_the_journal(path: Path) -> None:
    experiment = load(path)
    assert PopulationExperiment.model_validate_json(experiment.model_dump_json()) == experiment
    assert PopulationExperiment.model_validate(experiment.model_dump()) == experiment
    assert parse(experiment.model_dump(mode="json", exclude_unset=True)) == experiment
    assert parse(experiment.model_dump(mode="json", exclude_defaults=True) | _identity()) == (
        experiment
    )


def _identity() -> dict[str, str]:
    return {"apiVersion": "population-operator.io/v1alpha1", "kind": "PopulationExperiment"}


def test_all_problems_are_told_at_once_and_one_line_each() -> None:
    with pytest.raises(ManifestError) as caught:
        load(corpus.HERE / "bad" / "many-at-once.yaml")
    assert str(caught.value).splitlines() == [str(each) for each in caught.value.problems]
    assert len(caught.value.problems) == 7


def test_initial_values_have_their_parameters_type() -> None:
    first, second = load(corpus.HERE / "good" / "typed-categories.yaml").spec.initial
    assert first == {"width": 64, "decay": 0.001, "nesterov": True}
    assert second == {"width": -128, "decay": 0.001, "nesterov": False}
    assert [type(value) for value in second.values()] == [int, float, bool]
