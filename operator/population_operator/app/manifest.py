"""Reading manifests: the edge between files and `population_operator.api`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from population_operator.api.experiment import GROUP, KIND, PopulationExperiment
from population_operator.api.parse import parse
from population_operator.api.problems import ManifestError, Problem, listed
from population_operator.app.yaml_reader import MAX_DEPTH, YamlError, read_yaml

MAX_BYTES = 1_500_000
"""What etcd takes of one object; no manifest comes near it."""


def load(path: str | Path) -> PopulationExperiment:
    """The one experiment in a YAML or JSON file. Every mistake is a ManifestError."""
    return parse(document(path))


def loads(text: str, source: str = "manifest") -> PopulationExperiment:
    """The one experiment in `text`; `source` is what problems of the text itself are told of."""
    return parse(_ours(text, source))


def document(path: str | Path) -> Any:
    """What the file says of its one experiment, as the user wrote it; `parse` reads it."""
    return _ours(_read(Path(path)), str(path))


def _ours(text: str, source: str) -> Any:
    documents = _documents(text, source)
    if not documents:
        raise _error(source, f"is empty: a manifest begins with `kind: {KIND}`")
    if len(documents) == 1:
        return documents[0]
    ours = [document for document in documents if _kind(document) == KIND]
    if len(ours) > 1:
        names = listed((_name(document) for document in ours), "and")
        raise _error(source, f"has {len(ours)} experiments, {names}: put each into its own file")
    if not ours:
        kinds = listed(dict.fromkeys(_kind(document) for document in documents), "and")
        raise _error(source, f"has no {KIND} among its documents, only {kinds}")
    return ours[0]


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise _error(str(path), "is a folder: give the manifest's file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _error(str(path), f"no such file{_neighbour(path)}") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise _error(str(path), f"cannot be read: {reason}") from None
    except ValueError as error:
        raise _error(str(path), f"is no file's name: {error}") from None
    if len(data) > MAX_BYTES:
        raise _error(str(path), f"is larger than {MAX_BYTES} bytes: this is no manifest")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _error(str(path), f"is not UTF-8 text (line {line}): save it as UTF-8") from None


def _neighbour(path: Path) -> str:
    other = {".yaml": ".yml", ".yml": ".yaml"}.get(path.suffix, ".yaml")
    near = path.with_suffix(other) if path.name else path
    return f": did you mean {near}?" if near.is_file() else ""


def _documents(text: str, source: str) -> list[Any]:
    if text.lstrip().startswith("{"):
        try:
            return [json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)]
        except json.JSONDecodeError:
            pass  # `{name: x}` is YAML
        except RecursionError:
            raise _error(source, f"is nested more than {MAX_DEPTH} deep") from None
        except ValueError as error:
            raise _error(source, str(error)) from None
    try:
        return read_yaml(text)
    except YamlError as error:
        where = f"line {error.line}, column {error.column}: " if error.line else ""
        raise _error(source, f"is not usable YAML: {where}{error.reason}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object: keep one")
        found[key] = value
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON: every number must be finite")


def _kind(document: Any) -> str:
    """The kind; one of another group with the same name is not ours."""
    if not isinstance(document, dict):
        return "something that is no object"
    kind, version = document.get("kind"), document.get("apiVersion")
    if kind == KIND and isinstance(version, str) and not version.startswith(f"{GROUP}/"):
        return f"{version} {kind}"
    return str(kind) if kind else "an object without `kind`"


def _name(document: Any) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("name", "?")) if isinstance(metadata, dict) else "?"


def _error(source: str, message: str) -> ManifestError:
    return ManifestError([Problem(source, message)])
