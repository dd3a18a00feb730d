"""What is wrong with a manifest, in words that say what to write instead."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError


class Problem(NamedTuple):
    """One mistake: `path` in the manifest's own spelling (`spec.parameters[2].float.min`)."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, prefix: str) -> Problem:
        """The same problem, seen from a parent that holds this part under `prefix`."""
        return Problem(join(prefix, self.path), self.message)


class ManifestError(Exception):
    """A manifest cannot be used. All its problems at once, one line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def join(prefix: str, path: str) -> str:
    """`prefix` and a path relative to it, as one path."""
    if not prefix or not path:
        return prefix or path
    return prefix + path if path.startswith("[") else f"{prefix}.{path}"


def shown(value: object) -> str:
    """`value` as the user would recognise it, at most 60 characters."""
    match value:
        case None:
            text = "nothing"
        case bool():
            text = "true" if value else "false"
        case str():
            text = repr(value)
        case dict() if not value:
            text = "an empty mapping"
        case dict():
            text = "a mapping with " + ", ".join(f"`{key}`" for key in value)
        case list() | tuple():
            text = f"a list of {len(value)}" if value else "an empty list"
        case float() if value.is_integer() and abs(value) < 1e15:
            text = str(int(value))
        case _:
            text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def quoted(value: object) -> str:
    """`value` as the string that a user would write for it in YAML."""
    return json.dumps(value if isinstance(value, str) else shown(value), ensure_ascii=False)


def listed(names: Iterable[object], last: str = "or") -> str:
    """`a`, `b` or `c`."""
    words = [f"`{name}`" for name in names]
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` was probably meant to be."""
    names = {_plain(candidate): candidate for candidate in known}
    meant = _plain(name)
    found = difflib.get_close_matches(meant, names, n=1, cutoff=0.6)
    begun = [plain for plain in names if len(meant) > 2 and plain.startswith(meant)]
    best = next(iter((*found, *begun)), None)
    return None if best is None else names[best]


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, else what there is to choose from."""
    choices = tuple(known)
    if best := nearest(name, choices):
        return f"did you mean `{best}`?"
    if not choices:
        return "nothing can be given here"
    return f"known are {listed(choices, 'and')}"


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def refused(message: str) -> PydanticCustomError:
    """An error for a validator to raise, whose message is shown as it stands."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def broken(problems: tuple[Problem, ...]) -> PydanticCustomError:
    """An error for a validator to raise that carries several problems, with relative paths."""
    context: dict[str, Any] = {
        "problems": problems,
        "text": "; ".join(str(problem) for problem in problems),
    }
    return PydanticCustomError("broken", "{text}", context)
