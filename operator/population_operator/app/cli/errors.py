"""From exceptions to lines that a user can act on, and to exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

COMPLETE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class UserError(Exception):
    """Something that the user can put right. Its text says what and how, a line each."""

    def __init__(self, *lines: str, code: int = BAD_INPUT) -> None:
        self.lines, self.code = lines, code
        super().__init__("\n".join(lines))


class Told(NamedTuple):
    """What to print on stderr, and the exit code."""

    text: str
    code: int


@contextmanager
def problems_of(file: Path) -> Iterator[None]:
    """Problems of the manifest in `file` become lines `FILE: path: message`."""
    from population_operator.api.problems import ManifestError

    try:
        yield
    except ManifestError as error:
        raise UserError(*problem_lines(file, error)) from error


def problem_lines(file: Path, error: Exception) -> list[str]:
    """One line for each problem; those of the file itself name it already."""
    problems = getattr(error, "problems", ())
    return [str(p) if p.path == str(file) else f"{file}: {p}" for p in problems]


def explain(error: Exception) -> Told | None:
    """What to tell about an error; nothing where it can only be a mistake of ours."""
    from population_operator.adapters.local.journal import JournalInUseError
    from population_operator.algorithms.base import MissingLibrary
    from population_operator.api.problems import ManifestError
    from population_operator.ports import JournalUnavailableError

    match error:
        case UserError(code=code):
            return Told(str(error), code)
        case ManifestError():
            return Told(str(error), BAD_INPUT)
        case JournalInUseError():
            return Told(f"population: {error}", BAD_INPUT)
        case JournalUnavailableError() | MissingLibrary():
            return Told(f"population: {error}", FAILED)
        case OSError(strerror=str(reason)):
            where = f"{error.filename}: " if error.filename else ""
            return Told(f"population: {where}{reason.lower()}", FAILED)
        case _:
            return None
