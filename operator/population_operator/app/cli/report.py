"""`population report`: the page about a run, of a finished one or of one that still goes on."""

from __future__ import annotations

from pathlib import Path

from population_operator.app.cli.errors import COMPLETE, UserError
from population_operator.app.cli.source import Run
from population_operator.app.report import write_report


def report(run: Run, output: Path | None) -> int:
    """Write the page to `output`, or next to the journal, and say where it is.

    Raises:
      UserError: `output` is a folder, or in none that exists.
    """
    path = output or run.report
    if path.is_dir():
        raise UserError(f"{path}: is a folder: give the page's file")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}: make it first")
    write_report(path, run.history())
    if path.is_file():  # Else it went to a pipe, which may be the one that this would go to.
        print(path)
    return COMPLETE
