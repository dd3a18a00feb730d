"""`population schedule`: the hyperparameters that the best weights were trained with."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import yaml
from rich.console import Console
from rich.table import Table

from population_operator.api import Value
from population_operator.app import words
from population_operator.app.cli.errors import COMPLETE, UserError
from population_operator.app.cli.source import Run
from population_operator.core.history import History
from population_operator.core.lineage import best_lineage, lineage, schedule_of

Rows = Sequence[tuple[int, Mapping[str, Value]]]


def schedule(run: Run, output: str, member: str | None) -> int:
    """Print the schedule of the best, or of one member, in the form that was asked for."""
    history = run.history()
    if member is None and history.state.best is None:
        raise UserError(f"{run.name}: nobody has reported a score yet: there is no best")
    if member is not None and member not in history.state.members:
        raise UserError(f"{run.name}: there is no member {member}: {_known(history)}")
    rows = schedule_of(lineage(history, member) if member else best_lineage(history))
    names = [parameter.name for parameter in history.state.spec.spec.parameters]
    match output:
        case "json":
            print(json.dumps(_records(rows), indent=2))
        case "yaml":
            print(yaml.safe_dump(_records(rows), sort_keys=False), end="")
        case "csv":
            print(_csv(rows, names), end="")
        case _:
            _table(rows, names)
    return COMPLETE


def _records(rows: Rows) -> list[dict[str, object]]:
    return [{"from_step": step, "hyperparameters": dict(values)} for step, values in rows]


def _csv(rows: Rows, names: list[str]) -> str:
    """A column for each parameter; one that is not active is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["from_step", *names])
    writer.writerows([step, *(values.get(name, "") for name in names)] for step, values in rows)
    return text.getvalue()


def _table(rows: Rows, names: list[str]) -> None:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("from step", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    before: Mapping[str, Value] = {}
    for step, values in rows:
        cells = [_cell(values.get(name), values.get(name) != before.get(name)) for name in names]
        table.add_row(str(step), *cells)
        before = values
    Console().print(table)


def _cell(value: Value | None, changed: bool) -> str:
    text = words.setting(value, 5).replace("[", r"\[")
    return f"[cyan]{text}[/]" if changed else f"[dim]{text}[/]"


def _known(history: History) -> str:
    names = [member.name for member in history.state.population]
    return f"it has {names[0]} to {names[-1]}" if names else "it has none yet"
