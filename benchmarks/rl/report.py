"""What the runs came to, beside the paper: medians, quartiles, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rl.runs import INTERVALS, STEPS

PAPER = {
    "InvertedDoublePendulum": {"pbt": 8893, "pb2": 8179},
    "Hopper": {"pbt": 1492, "pb2": 2346},
    "LunarLanderContinuous": {"pbt": 159, "pb2": 235},
    "BipedalWalker": {"pbt": 223, "pb2": 276},
}
"""Medians of 10 seeds, a million steps, older versions of the environments."""

NAMES = {"random": "random search", "pbt": "PBT", "pb2": "PB2"}
COLORS = {"random": "#7d8597", "pbt": "#c8553d", "pb2": "#0b6e4f"}
RESAMPLES = 10_000
BEGIN, END = "<!-- benchmarks.rl -->", "<!-- end of benchmarks.rl -->"

Runs = Sequence[dict[str, Any]]


def of(runs: Runs, environment: str, scale: float) -> dict[str, dict[int, dict[str, Any]]]:
    """The runs of an environment at a scale, by algorithm and seed."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for run in runs:
        if run["environment"] == environment and run["scale"] == scale:
            found.setdefault(run["algorithm"], {})[run["seed"]] = run
    return {name: found[name] for name in NAMES if name in found}


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the median: percentiles of the bootstrap, the same at each call.

    With few values it is too narrow: it never leaves their range.
    """
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.asarray(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return float(low), float(high)


COLUMNS = (
    "seeds",
    "median",
    "quartiles",
    "95 % of the median",
    "mean over the run",
    "best checkpoint, evaluated",
    "paper",
)


def markdown(runs: Runs, environment: str, scale: float) -> str:
    """A line for each algorithm, and one for each difference.

    Median, quartiles and interval are those of the best member's last score; the evaluation is of
    the checkpoint that a run calls its best, whose score was the highest in training.
    """
    title = f"{environment}, {STEPS * scale:.0f} steps"
    paper = PAPER.get(environment.split("-")[0], {})
    lines = [f"| {title} | {' | '.join(COLUMNS)} |", "| --- " * (len(COLUMNS) + 1) + "|"]
    for name, seeds in of(runs, environment, scale).items():
        final = [run["final"] for run in seeds.values()]
        area = [float(np.mean(run["curve"])) for run in seeds.values()]
        evaluated = [run["evaluation"] for run in seeds.values()]
        cells = (
            NAMES[name],
            str(len(seeds)),
            f"{np.median(final):.0f}",
            span(quartiles(final)),
            span(interval_of_median(final)),
            f"{np.median(area):.0f}",
            f"{np.median(evaluated):.0f} ({span(quartiles(evaluated))})",
            str(paper.get(name, "")),
        )
        lines.append(f"| {' | '.join(cells)} |")
    gaps = differences(runs, environment, scale)
    return "\n".join([*lines, "", *(f"- {gap}" for gap in gaps)])


def differences(runs: Runs, environment: str, scale: float) -> list[str]:
    """PB2 less each other, by seed: the same starts, so the difference is the algorithm's."""
    found = of(runs, environment, scale)
    lines = []
    for other in ("pbt", "random"):
        both = sorted(found.get("pb2", {}).keys() & found.get(other, {}).keys())
        if not both:
            continue
        gaps = [found["pb2"][seed]["final"] - found[other][seed]["final"] for seed in both]
        wins = sum(gap > 0 for gap in gaps)
        lines.append(
            f"PB2 less {NAMES[other]}, {len(both)} seeds: median {np.median(gaps):+.0f},"
            f" 95 % {span(interval_of_median(gaps))}, better in {wins}"
        )
    return lines


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, (0.25, 0.75)).tolist()
    return low, high


def write_between(path: Path, text: str) -> None:
    """Put text between the two marks in a document. Raises ValueError where they are missing."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path}: the marks {BEGIN} and {END} are missing")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def span(ends: Sequence[float]) -> str:
    low, high = ends
    return f"{low:.0f} to {high:.0f}"


def picture(path: Path, runs: Runs, environments: Sequence[str], scale: float) -> None:
    """Medians over seeds with their quartiles, a panel for each environment. Needs matplotlib."""
    mpl = import_module("matplotlib")
    mpl.use("agg")
    pyplot = import_module("matplotlib.pyplot")
    mpl.rcParams.update({"svg.hashsalt": "population-operator", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(
        1, len(environments), figsize=(5.0 * len(environments), 3.4), squeeze=False
    )
    steps = STEPS * scale / INTERVALS * np.arange(1, INTERVALS + 1)
    for axis, environment in zip(axes[0], environments, strict=True):
        for name, seeds in of(runs, environment, scale).items():
            curves = np.array([run["curve"] for run in seeds.values()])
            low, middle, high = np.quantile(curves, (0.25, 0.5, 0.75), axis=0)
            label = f"{NAMES[name]}, {len(curves)} seeds"
            axis.plot(steps, middle, color=COLORS[name], label=label)
            axis.fill_between(steps, low, high, color=COLORS[name], alpha=0.2, linewidth=0)
        axis.set_title(environment, loc="left", fontsize=10)
        axis.set_xlabel("steps of each member")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("mean return of the best member")
    axes[0][0].legend(frameon=False, fontsize=8, loc="best")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
