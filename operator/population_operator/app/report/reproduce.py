"""What somebody needs to do it again: the manifest, the seed, the command and the versions."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from dataclasses import dataclass
from typing import Any

import yaml

from population_operator.api import PopulationExperiment

SECRET = re.compile(
    r"token(?!i[sz])|secret|password|passwd|credential|api_?key|private|access_?key", re.I
)
"""In a name. A tokenizer is none."""
HIDDEN = "(left out of the report)"


@dataclass(frozen=True)
class Recipe:
    """`note` says what keeps the run from being repeated exactly, if anything."""

    manifest: str
    command: str
    seed: str
    note: str
    versions: tuple[tuple[str, str], ...]


def recipe(experiment: PopulationExperiment) -> Recipe:
    """The recipe of an experiment. Values that look like secrets stay behind: reports travel."""
    name, spec = experiment.metadata.name, experiment.spec
    seed = spec.population.seed
    notes = []
    if seed is None:
        notes.append("No seed was given: each run draws its own numbers.")
    if not spec.schedule.synchronous:
        notes.append("Asynchronous: who is compared with whom depends on who reports first.")
    return Recipe(
        manifest=manifest(experiment),
        command=f"population run {name}.yaml",
        seed="none" if seed is None else str(seed),
        note=" ".join(notes),
        versions=(
            ("population-operator", importlib.metadata.version("population-operator")),
            ("Python", platform.python_version()),
            ("machine", f"{platform.system()} {platform.machine()}"),
        ),
    )


def manifest(experiment: PopulationExperiment) -> str:
    """The manifest as YAML: what differs from the defaults, and nothing that a server added."""
    said = experiment.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude_none=True
    )
    said.get("metadata", {}).pop("uid", None)
    head = {"apiVersion": experiment.api_version, "kind": experiment.kind}
    document = without_secrets(head | said)
    if "initial" in said.get("spec", {}):  # These names are of hyperparameters.
        document["spec"]["initial"] = said["spec"]["initial"]
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def without_secrets(node: Any) -> Any:
    """The document without the values of environment variables that are named like secrets."""
    if isinstance(node, list):
        return [without_secrets(item) for item in node]
    if not isinstance(node, dict):
        return node
    named = node.get("name")
    if isinstance(named, str) and "value" in node and SECRET.search(named):
        return node | {"value": HIDDEN}
    return {
        key: HIDDEN
        if isinstance(value, str) and SECRET.search(str(key)) and not str(key).endswith("Name")
        else without_secrets(value)
        for key, value in node.items()
    }
