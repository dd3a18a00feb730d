"""`population status`: how a run stands, without waiting for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from population_operator.app import words
from population_operator.app.cli.errors import COMPLETE
from population_operator.app.cli.live import EVENTS, redraws
from population_operator.app.cli.recent import Recent
from population_operator.app.cli.source import Run
from population_operator.app.cli.table import picture
from population_operator.app.result import Result

WIDTH = 160
"""Columns, where it goes into a file or a pipe."""
GOOD_WHEN_FALSE = ("Failed", "Suspended")


def status(run: Run, output: str) -> int:
    """Print the table of `population run` as it was last, or all of it as JSON."""
    if output == "json":
        conditions = None if run.status is None else run.status.get("conditions", [])
        print(Result.of(run.history(), run.checkpoints, conditions).to_json(), end="")
        return COMPLETE
    console = Console()
    if not console.file.isatty():
        console = Console(width=max(console.width, WIDTH))
    if run.entries or run.status is None:
        _print_picture(run, console)
    if run.status is not None:
        if not run.entries:
            console.print(Text.assemble((run.name, "bold"), "  has not begun\n"))
        console.print(conditions_of(run.status, time.time()))
    return COMPLETE


def _print_picture(run: Run, console: Console) -> None:
    history = run.history()
    state = history.state
    recent = Recent(EVENTS)
    recent.take(history.happenings, state.started_at)
    width, height = console.size
    if not redraws(console):
        height = len(state.members) + 20
    console.print(picture(state, history, recent.lines, now=state.time, width=width, height=height))
    if run.status is not None:
        console.print()


def conditions_of(status: Mapping[str, Any], now: float) -> Table | Text:
    """What the operator says of the experiment: a row for each condition."""
    conditions = status.get("conditions", ())
    if not conditions:
        return Text("no conditions: no operator has seen this experiment yet", style="yellow")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for title in ("condition", "status", "since", "reason", "message"):
        table.add_column(title, no_wrap=title != "message", overflow="fold")
    for it in conditions:
        good = (it["status"] == "True") != (it["type"] in GOOD_WHEN_FALSE)
        since = datetime.strptime(it["lastTransitionTime"], "%Y-%m-%dT%H:%M:%SZ")
        table.add_row(
            it["type"],
            Text(it["status"], style="" if good else "yellow"),
            Text(words.duration(now - since.replace(tzinfo=UTC).timestamp()), style="dim"),
            it["reason"],
            Text(words.one_line(it.get("message", ""))),
        )
    return table
