"""What the images promise, read from their archives: no cluster is needed."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import images, recipes
from e2e.cluster.recipes import Recipe

OPERATOR_BYTES = 250e6
USER = "65532:65532"


@dataclass(frozen=True)
class Built:
    """An archive's configuration, and the size of its layers unpacked, the base's included."""

    configuration: dict[str, Any]
    size: int

    @classmethod
    def read(cls, path: Path) -> Built:
        with tarfile.open(path) as archive:

            def content(name: str) -> Any:
                file = archive.extractfile(name)
                assert file is not None
                return json.load(file)

            (manifest,) = content("manifest.json")
            layers = [archive.getmember(name) for name in manifest["Layers"]]
            size = sum(layer.size for layer in layers)
            return cls(content(manifest["Config"])["config"], size)


@pytest.fixture(params=["operator", "worker", "example"])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    found = {
        "operator": recipes.OPERATOR,
        "worker": recipes.WORKER,
        "example": recipes.example("digits"),
    }
    return found[request.param]


@pytest.fixture
def built(recipe: Recipe, tell: Callable[[str], None]) -> Built:
    return Built.read(images.build(recipe, tell))


def test_it_runs_as_a_user_without_rights(built: Built) -> None:
    assert built.configuration["User"] == USER


def test_it_says_what_it_is(built: Built) -> None:
    labels = built.configuration["Labels"]
    for name in ("title", "description", "version", "revision", "licenses"):
        assert labels[f"org.opencontainers.image.{name}"]


@pytest.mark.parametrize("recipe", ["operator"], indirect=True)
def test_the_operator_is_small(built: Built) -> None:
    assert built.size < OPERATOR_BYTES
    assert built.configuration["Entrypoint"] == ["population-operator"]
