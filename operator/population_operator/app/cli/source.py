"""Where a run's journal comes from: a folder that exists, or else an experiment on a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import read
from population_operator.api.scalars import LABEL
from population_operator.app.cli.access import Access
from population_operator.app.cli.errors import FAILED, UserError
from population_operator.core.fold import JournalGapError
from population_operator.core.history import History, history
from population_operator.model.entry import Entry, SpecObserved
from population_operator.ports import JournalUnavailableError


@dataclass(frozen=True)
class Run:
    """A run as it was found.

    Attributes:
      name: as the user named it.
      label: what messages call its journal.
      entries: the journal; empty where an experiment on a cluster has not begun.
      report: where its page goes by default.
      checkpoints: the root of its checkpoints; none: beside the journal.
      status: the status of the object on a cluster; none for a folder.
    """

    name: str
    label: str
    entries: tuple[Entry, ...]
    report: Path
    checkpoints: str | None = None
    status: Mapping[str, Any] | None = None

    def begun(self) -> tuple[Entry, ...]:
        """The journal, at least one entry long.

        Raises:
          UserError: nothing was decided yet.
        """
        if self.entries:
            return self.entries
        if self.status is None:
            raise UserError(f"{self.label}: is empty: the run has not begun")
        ready = next((c for c in self.status.get("conditions", ()) if c["type"] == "Ready"), None)
        why = f"{ready['reason']}: {ready['message']}" if ready else "does the operator run?"
        raise UserError(f"{self.label}: has not begun: {why}")

    def history(self) -> History:
        """Everything that happened.

        Raises:
          UserError: nothing happened yet, or the journal has a hole or was forged.
        """
        return whole_history(self.begun(), self.label)


def whole_history(entries: Iterable[Entry], label: str) -> History:
    """The history of a journal, which `label` names to the user.

    Raises:
      UserError: it has a hole or was forged.
    """
    try:
        return history(entries)
    except JournalGapError as error:
        told = f"{label}: {error}: the file was changed"
        raise UserError(told, code=FAILED) from error


def find(target: str, access: Access) -> Run:
    """The run that `target` names: a folder that exists, else an experiment.

    Raises:
      UserError: there is no such run, or it cannot be read.
    """
    path = Path(target)
    if access.given or (not path.exists() and re.fullmatch(LABEL, target)):
        return _on_a_cluster(target, access)
    return _in_a_folder(target)


def _in_a_folder(target: str) -> Run:
    journal = journal_of(target)
    try:
        entries = read(journal)
    except FileNotFoundError:
        raise UserError(f"{target}: {_missing(Path(target))}{_known()}") from None
    except JournalUnavailableError as error:
        raise UserError(str(error), code=FAILED) from error
    except OSError as error:
        told = f"{journal}: {(error.strerror or 'cannot be read').lower()}"
        raise UserError(told, code=FAILED) from error
    return Run(target, str(journal), entries, RunFolder(journal.parent).report)


def _on_a_cluster(name: str, access: Access) -> Run:
    try:
        from population_operator.app.cli.cluster import fetch
    except ModuleNotFoundError as error:
        install = "install population-operator[operator] to read a cluster"
        raise UserError(f"{name}: no such folder; {install} ({error.name} is missing)") from None
    try:
        found = fetch(name, access)
    except UserError as error:
        if access.given:
            raise
        raise UserError(f"{error}; nor is {name} a folder{_known()}", code=error.code) from error
    return Run(
        name=name,
        label=f"{found.key.namespace}/{name}",
        entries=found.entries,
        report=Path(f"{name}-report.html"),
        checkpoints=_checkpoints(found.entries),
        status=found.body.get("status", {}),
    )


def _checkpoints(entries: tuple[Entry, ...]) -> str | None:
    from population_operator.adapters.kubernetes.status import checkpoints_uri

    seen = (o.experiment for e in entries for o in e.observed if isinstance(o, SpecObserved))
    return next(map(checkpoints_uri, seen), None)


def journal_of(target: str) -> Path:
    """The journal's file: `target` is the run's folder, or that file itself."""
    path = Path(target)
    return path if path.is_file() else RunFolder(path).journal


def _missing(path: Path) -> str:
    if path.is_dir():
        return "holds no run: a run's folder has a journal.jsonl"
    return "no such folder: give the one that `population run --output` wrote to"


def _known() -> str:
    """Runs in the usual place, for those who forgot what they called theirs."""
    found = sorted(p.parent for p in Path("runs").glob("*/journal.jsonl"))[:5]
    return f" (there is {', '.join(map(str, found))})" if found else ""
