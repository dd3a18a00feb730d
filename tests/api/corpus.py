"""The manifests of `bad/` and `good/`, and what their first comment lines say of them.

    # expect: spec.parameters[0].float.min: must be below max
    # crd accepts: why the schema and its CEL rules cannot see it

Every problem of a bad manifest is expected by the beginning of its line; FILE stands for the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from population_operator.app.yaml_reader import YamlError, read_yaml

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Bad:
    path: Path
    expected: tuple[str, ...]
    accepted_by_crd: str


def _after(path: Path, word: str) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    return [line.removeprefix(word) for line in lines if line.startswith(word)]


def bad() -> list[Bad]:
    found = []
    for path in sorted((HERE / "bad").iterdir()):
        expected = (line.replace("FILE", str(path)) for line in _after(path, "# expect: "))
        blind = " ".join(_after(path, "# crd accepts: "))
        found.append(Bad(path, tuple(expected), blind))
    return found


def good() -> list[Path]:
    return sorted((HERE / "good").iterdir())


def document(path: Path) -> dict[str, Any] | None:
    """The one object in the file, as kubectl would send it; None where there is not exactly one."""
    try:
        documents = read_yaml(path.read_text("utf-8"))
    except YamlError:
        return None
    ours = [each for each in documents if isinstance(each, dict)]
    if len(documents) > 1:
        ours = [each for each in ours if each.get("kind") == "PopulationExperiment"]
    return ours[0] if len(ours) == 1 else None
