"""The corpus of manifests on the real API server: the same verdicts as `population validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from population_operator.api import ManifestError
from population_operator.app.manifest import load
from population_operator.app.yaml_reader import YamlError, read_yaml
from tests.apiserver.cluster.client import ApiError
from tests.apiserver.conftest import Namespace

CORPUS = Path(__file__).parents[2] / "api"
GROUP = "population-operator.io/v1alpha1"
KIND = "PopulationExperiment"


def served(namespace: Namespace, file: Path) -> str | None:
    """Why the server refuses the manifest, without making it; none where it takes it."""
    for document in read_yaml(file.read_text()):
        body = _as_go_writes(document)
        body.get("metadata", {}).pop("namespace", None)
        where = namespace.path("populationexperiments", "", GROUP)
        try:
            namespace.client.create(f"{where}?dryRun=All&fieldValidation=Strict", body)
        except ApiError as error:
            return str(error)
    return None


def _as_go_writes(value: Any) -> Any:
    """A copy in which 100.0 is 100, as in the JSON that kubectl sends."""
    if isinstance(value, dict):
        return {key: _as_go_writes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_go_writes(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_good_manifests_are_taken_by_both(namespace: Namespace, kinds: None) -> None:
    files = sorted((CORPUS / "good").glob("*.yaml"))
    assert len(files) >= 30
    for file in files:
        load(file)
        if file.read_text().count("\nkind:") > 1:
            continue  # Several documents: kubectl splits them, this client does not.
        assert served(namespace, file) is None, file.name


def test_bad_manifests_are_refused_by_both(namespace: Namespace, kinds: None) -> None:
    """But for those that CEL cannot see, which say so in their first lines."""
    refused = 0
    for file in sorted((CORPUS / "bad").glob("*.yaml")):
        text = file.read_text()
        with pytest.raises(ManifestError):
            load(file)
        try:
            documents = read_yaml(text)
        except YamlError:
            continue
        if len(documents) != 1 or not isinstance(documents[0], dict):
            continue
        if documents[0].get("kind") != KIND or documents[0].get("apiVersion") != GROUP:
            continue
        if not isinstance(documents[0].get("metadata", {}), dict) or "crd accepts" in text:
            continue
        assert served(namespace, file) is not None, file.name
        refused += 1
    print(f"{refused} bad manifests refused")
    assert refused >= 100
