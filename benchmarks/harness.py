"""What every benchmark shares: figures with bounds, progress, results as JSON, and honesty.

Honesty: other programs on the machine disturb timings. Each run measures how much of the
processors others used meanwhile, and says so beside its figures.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

Task = TypeVar("Task")
Answer = TypeVar("Answer")

RESULTS = Path("runs/benchmarks")
DISTURBED = 0.15
"""Cores used by others above which timings are called disturbed."""

_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")
_Z = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Figure:
    """One measured number. `bound` is none where it only stands beside others."""

    name: str
    measured: float
    unit: str = ""
    bound: float | None = None
    at_least: bool = True
    margin: float | None = None
    """Half of the 95 % interval."""

    @property
    def ok(self) -> bool:
        """Whether the bound holds; a number that is none (NaN) holds nothing."""
        if self.bound is None:
            return True
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    @property
    def measured_text(self) -> str:
        margin = "" if self.margin is None else f" ± {number(self.margin)}"
        return f"{number(self.measured)}{margin} {self.unit}".rstrip()

    @property
    def bound_text(self) -> str:
        if self.bound is None:
            return ""
        return f"{'≥' if self.at_least else '≤'} {number(self.bound)} {self.unit}".rstrip()


@dataclass
class Outcome:
    """The figures of one benchmark, as they come in; begins with its run."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    _usage: Usage = field(default_factory=lambda: Usage())

    def measure(
        self,
        name: str,
        measured: float,
        unit: str = "",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        margin: float | None = None,
    ) -> None:
        """Add a figure, with its bound where it has one."""
        bound = at_most if at_least is None else at_least
        self.figures.append(Figure(name, measured, unit, bound, at_least is not None, margin))

    @property
    def ok(self) -> bool:
        return all(figure.ok for figure in self.figures)

    def conclude(self, console: Console, folder: Path, *, timed: bool = False) -> int:
        """Print the figures, write `<folder>/<name>.json`, and return the exit code.

        `timed` says that the figures depend on who else uses the machine.
        """
        others = self._usage.others()
        console.print(table_of(self.figures, title=self.name))
        if timed and others > DISTURBED:
            console.print(
                f"[yellow]disturbed: other programs used {others:.2f} of {os.cpu_count()} cores "
                "meanwhile; run it again on an idle machine[/]"
            )
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(self._document(others), indent=2) + "\n")
        console.print(f"written: {path}", style="dim")
        return 0 if self.ok else 1

    def _document(self, others: float) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "cores_used_by_others": round(others, 2),
            },
            "seconds": round(self._usage.elapsed(), 1),
            "figures": [
                {**asdict(f), "measured": _finite(f.measured), "ok": f.ok} for f in self.figures
            ],
            "details": self.details,
        }


class Usage:
    """How much of the machine others use, from when this is made.

    What this process and its children used counts as ours; a child counts once it has been waited
    for. So do their children, where they wait for them, or after `adopt` and `reap`.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def others(self) -> float:
        """Cores that were busy on average and were not ours."""
        busy = _busy_seconds() - self._busy
        own = _own_seconds() - self._own
        return max(0.0, busy - own) / max(self.elapsed(), 1e-9)


def _busy_seconds() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _own_seconds() -> float:
    return sum(os.times()[:4])


def adopt() -> None:
    """From now on, processes whose parent ends before them become children of this one (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(seconds: float) -> None:
    """Wait for all children that end within this time, so that what they used counts as ours.

    For callers that wait for no child of theirs later on.
    """
    until = time.monotonic() + seconds
    with suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


# --- the command line ----------------------------------------------------------------------------


def arguments(description: str | None, *, quick: str) -> argparse.ArgumentParser:
    """A parser whose help is the module's docstring; `quick` says what is made smaller."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        metavar="DIR",
        help="where <name>.json (and pictures) go (default: %(default)s)",
    )
    return parser


def positive(text: str) -> int:
    """An integer above zero, for argparse."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return value


def progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def table_of(figures: Sequence[Figure], title: str) -> Table:
    """Name, measured, bound, ok: one line a figure."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("bound", justify="right")
    table.add_column("")
    for figure in figures:
        table.add_row(figure.name, figure.measured_text, figure.bound_text, verdict(figure))
    return table


def verdict(figure: Figure) -> str:
    if figure.bound is None:
        return ""
    return "[green]ok[/]" if figure.ok else "[bold red]MISSED[/]"


# --- numbers -------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Four digits that matter.

    >>> [number(v) for v in (214.26, 0.012345, 100.0, 1.0, 12345.6)]
    ['214.3', '0.01235', '100', '1', '12346']
    """
    return f"{value:.0f}" if abs(value) >= 1000 and math.isfinite(value) else f"{value:.4g}"


def mean_and_margin(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half of its 95 % interval (normal: tens of values and more)."""
    if len(values) < 2:
        return values[0], math.nan
    return statistics.fmean(values), _Z * statistics.stdev(values) / math.sqrt(len(values))


def share_and_margin(hits: int, count: int) -> tuple[float, float]:
    """A share in percent and half of its 95 % interval (Wilson: fair at 0 and 100 % too)."""
    share, z2 = hits / count, _Z**2
    spread = math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return 100 * share, 100 * _Z * spread / (1 + z2 / count)


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The b of the fit cost = a x size^b: least squares in logarithms."""
    fit = statistics.linear_regression([math.log(s) for s in sizes], [math.log(c) for c in costs])
    return fit.slope


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


# --- many runs -----------------------------------------------------------------------------------


def map_processes(
    function: Callable[[Task], Answer],
    tasks: Sequence[Task],
    console: Console,
    title: str,
    processes: int | None = None,
    done: Callable[[Task, Answer], None] = lambda task, answer: None,
) -> list[Answer]:
    """The answers in the order of the tasks, from one process per core, with a progress bar.

    `done` is told each as it comes.
    """
    answers: dict[int, Answer] = {}
    with progress(console) as bar, ProcessPoolExecutor(processes) as pool:
        line = bar.add_task(title, total=len(tasks))
        futures = {pool.submit(function, task): index for index, task in enumerate(tasks)}
        for future in as_completed(futures):
            index = futures[future]
            answers[index] = future.result()
            done(tasks[index], answers[index])
            bar.advance(line)
    return [answers[index] for index in range(len(tasks))]
