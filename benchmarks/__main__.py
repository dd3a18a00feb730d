"""Run the benchmarks, one after the other, and say which bounds hold.

Each is a program of its own (`python -m benchmarks.latency --help`) and writes its figures to
<output>/<name>.json. Run them on an idle machine: each says how much others disturbed it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import harness

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Program:
    """One benchmark: its module and what it shows.

    `options` are added to the common ones, `quick` with `--quick`.
    """

    module: str
    shows: str
    common: bool = True
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()


PROGRAMS = {
    "toy": Program("benchmarks.quality.toy", "Figure 2 of the PBT paper"),
    "triangle": Program("benchmarks.quality.triangle", "moving weights against hyperparameters"),
    "pb2": Program("benchmarks.quality.pb2", "PB2 beside PBT, random search and Ray's PB2"),
    "pb2_bounds": Program("benchmarks.quality.pb2_bounds", "how often PB2's values are extreme"),
    "pb2_time": Program("benchmarks.quality.pb2_time", "what a PB2 decision costs, beside Ray's"),
    "proposal_time": Program(
        "benchmarks.quality.proposal_time", "what a Gaussian process's proposal costs, and Optuna's"
    ),
    "decide": Program("benchmarks.decide", "a decision's cost against the population's size"),
    "latency": Program("benchmarks.latency", "from a report to the next directive applied"),
    "operator_latency": Program(
        "benchmarks.operator_latency", "the same on a real API server, 8 Pods"
    ),
    "operator_start": Program("benchmarks.operator_start", "from kubectl apply to the first Pod"),
    "memory": Program("benchmarks.memory", "the controller's memory, 16 members"),
    "checkpoint": Program(
        "benchmarks.checkpoint",
        "an exploit of 4 GB against cp",
        common=False,
        quick=("--gib", "0.5", "--rounds", "3"),
    ),
    "swap": Program("benchmarks.swap", "another member on a warm worker, against new processes"),
    "busy": Program("benchmarks.busy", "how much of the time warm workers train: 500 trials"),
    "walltime": Program("benchmarks.walltime", "wall time to a target, beside other runners"),
    "cash": Program("benchmarks.cash", "choosing among families, against their defaults"),
    "digits": Program("benchmarks.digits", "the example on real data, five seeds"),
}


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick="smaller versions of all: some minutes")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(PROGRAMS)}"
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    given = parser.parse_args(argv)
    console = Console()
    unknown = [name for name in given.names if name not in PROGRAMS]
    if unknown:
        parser.error(f"{unknown[0]!r} is no benchmark: choose from {', '.join(PROGRAMS)}")
    if given.list:
        console.print(_listed())
        return 0
    rows = [run(name, given, console) for name in given.names or PROGRAMS]
    console.print(_summary(rows))
    return 0 if all(ok for _, ok, _ in rows) else 1


Row = tuple[str, bool, dict[str, Any]]
"""Name, whether every bound holds, and what it wrote."""


def run(name: str, given: argparse.Namespace, console: Console) -> Row:
    """Run one in a process of its own; its output goes to the terminal."""
    program = PROGRAMS[name]
    console.rule(f"[bold]{name}[/]: {program.shows}")
    command = [sys.executable, "-m", program.module, *program.options]
    if program.common:
        command += ["--output", str(given.output), *(["--quick"] if given.quick else [])]
    elif given.quick:
        command += program.quick
    written = given.output / f"{name}.json"
    written.unlink(missing_ok=True)  # What stands there is another run's.
    began = time.monotonic()
    code = subprocess.run(command, check=False, cwd=Path.cwd()).returncode
    seconds = time.monotonic() - began
    document = json.loads(written.read_text()) if written.exists() else {}
    return name, code == 0, {"seconds": seconds, **document}


def _listed() -> Table:
    table = Table("name", "what it shows", "module")
    for name, program in PROGRAMS.items():
        table.add_row(name, program.shows, program.module)
    return table


def _summary(rows: list[Row]) -> Table:
    """Every figure with a bound; a benchmark without figures by its exit code."""
    table = Table(title="summary", title_justify="left", title_style="bold")
    for column in ("benchmark", "figure", "bound", "measured", "ok"):
        table.add_column(column, justify="right" if column in ("bound", "measured") else "left")
    for name, ok, document in rows:
        figures = [_figure(item) for item in document.get("figures", [])]
        bounded = [figure for figure in figures if figure.bound is not None]
        for figure in bounded:
            table.add_row(
                name,
                escape(figure.name),
                figure.bound_text,
                figure.measured_text,
                harness.verdict(figure),
            )
        if not bounded or (not ok and all(figure.ok for figure in bounded)):
            mark = "[green]ok[/]" if ok else "[bold red]FAILED[/]"
            table.add_row(name, "see its own table above", "", f"{document['seconds']:.0f} s", mark)
    return table


def _figure(item: dict[str, Any]) -> harness.Figure:
    margin = item["margin"]
    return harness.Figure(
        item["name"],
        float(item["measured"]),
        item["unit"],
        item["bound"],
        item["at_least"],
        None if margin is None else float(margin),
    )


if __name__ == "__main__":
    sys.exit(main())
