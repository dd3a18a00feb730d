"""The Pod that removes checkpoints."""

from __future__ import annotations

import pytest

from population_operator.app.operator.lifecycle import remover
from tests.builders import an_experiment


@pytest.mark.parametrize("path", ["/checkpoints", "/checkpoints/", ""])
def test_checkpoints_are_mounted_once(path: str) -> None:
    """Where the user mounts them himself, workers have written there: two mounts are refused."""
    container = {"name": "worker", "image": "x"}
    spec = {"containers": [container], "volumes": [{"name": "own", "emptyDir": {}}]}
    if path:
        container["volumeMounts"] = [{"name": "own", "mountPath": path}]  # type: ignore[assignment]
    experiment = (
        an_experiment()
        .set("spec.worker", {"template": {"spec": spec}})
        .set("spec.storage", {"claimName": "shared", "deletionPolicy": "Delete"})
        .build()
    )
    made = remover(experiment)["spec"]
    (mount,) = made["containers"][0]["volumeMounts"]
    assert mount["mountPath"].rstrip("/") == "/checkpoints"
    assert mount["name"] == ("own" if path else "population-checkpoints")
    assert mount["name"] in {volume["name"] for volume in made["volumes"]}
