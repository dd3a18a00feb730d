"""Every valid manifest is read, written and read again as the same; damage never ends otherwise
than in a ManifestError."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from population_operator.api import ManifestError, PopulationExperiment, parse
from population_operator.api.schema import KINDS
from population_operator.app.manifest import loads
from tests.api import strategies
from tests.api.test_manifests import JARGON


def dumped(document: strategies.Document) -> str:
    """As YAML, with quotes around every string: PyYAML would leave `y` and `1e3` without."""
    return yaml.safe_dump(document, default_style='"', allow_unicode=True)


@given(strategies.documents())
@settings(max_examples=100, deadline=None)
def test_a_valid_manifest_survives_yaml_and_json(document: strategies.Document) -> None:
    experiment = parse(document)
    assert loads(dumped(document)) == experiment
    assert loads(json.dumps(document)) == experiment
    assert loads(dumped(experiment.model_dump(mode="json", exclude_none=True))) == experiment
    journal = experiment.model_dump_json()
    assert PopulationExperiment.model_validate_json(journal) == experiment
    assert PopulationExperiment.model_validate_json(journal).model_dump_json() == journal


@given(strategies.damaged())
@settings(max_examples=150, deadline=None)
def test_damage_ends_in_problems_with_paths(document: strategies.Document) -> None:
    try:
        parse(document)
    except ManifestError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.path and not JARGON.search(str(problem)), problem


@given(strategies.damaged())
@settings(max_examples=150, deadline=None)
def test_the_crd_gives_the_same_verdict(document: strategies.Document) -> None:
    pytest.importorskip("cel_expr_python.cel", reason="cel-expr-python is not installed")
    refusals = server().refusals(document)
    try:
        parse(document)
    except ManifestError as error:
        unseen = [one for one in error.problems if not one.path.startswith("spec.initial[")]
        assert refusals or not unseen, [str(one) for one in unseen]
    else:
        assert refusals == []


@functools.cache
def server() -> Any:
    """What CEL says, where there is a CEL to ask."""
    from tests.api.apiserver import ApiServer

    return ApiServer(next(kind for kind in KINDS if kind.name == "PopulationExperiment"))
