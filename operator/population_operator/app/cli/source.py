"""Where a run's journal comes from: a folder now, a cluster's experiment by its name later."""

from __future__ import annotations

from pathlib import Path

from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.app.cli.errors import UserError
from population_operator.core.fold import JournalGapError
from population_operator.core.history import History, history
from population_operator.model.entry import Entry
from population_operator.ports import JournalUnavailableError


def entries_of(target: str) -> tuple[Entry, ...]:
    """The journal of a run, at least one entry long.

    Raises:
      UserError: there is no such run, or its journal cannot be read.
    """
    path = journal_of(target)
    try:
        entries = read(path)
    except FileNotFoundError:
        raise UserError(f"{target}: {_missing(Path(target))}{_known()}") from None
    except JournalUnavailableError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error
    if not entries:
        raise UserError(f"{path}: is empty: the run has not begun")
    return entries


def journal_of(target: str) -> Path:
    """The journal's file: `target` is the run's folder, or that file itself."""
    path = Path(target)
    return path if path.is_file() else RunFolder(path).journal


def history_of(target: str) -> History:
    """Everything that happened in a run.

    Raises:
      UserError: as `entries_of`; or the journal has a hole.
    """
    try:
        return history(entries_of(target))
    except JournalGapError as error:
        raise UserError(f"{journal_of(target)}: {error}: the file was changed") from error


def _missing(path: Path) -> str:
    if path.is_dir():
        return "holds no run: a run's folder has a journal.jsonl"
    return "no such folder: give the one that `population run --output` wrote to"


def _known() -> str:
    """Runs in the usual place, for those who forgot what they called theirs."""
    found = sorted(p.parent for p in Path("runs").glob("*/journal.jsonl"))[:5]
    return f" (there is {', '.join(map(str, found))})" if found else ""
