"""`population report`: the page about a run, of a finished one or of one that still goes on."""

from __future__ import annotations

from pathlib import Path

from population_operator.app.cli.errors import COMPLETE
from population_operator.app.cli.source import Run
from population_operator.app.report import write_report


def report(run: Run, output: Path | None) -> int:
    """Write the page to `output`, or next to the journal, and say where it is."""
    path = output or run.report
    write_report(path, run.history())
    print(path)
    return COMPLETE
