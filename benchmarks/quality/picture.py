"""Curves as a picture, where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.harness import mean_and_margin

COLORS = {
    "strong": "#0b6e4f",
    "weak": "#c8553d",
    "none": "#7d8597",
    "other": "#3d5a80",
    "floor": "#333333",
}

Curves = Mapping[str, tuple[str, Sequence[Sequence[float]]]]
"""By label: a name of `COLORS`, and a curve for each seed."""


def draw(
    path: Path,
    panels: Mapping[str, Curves],
    steps: Sequence[int],
    *,
    label: str,
    lines: Mapping[str, float] | None = None,
) -> bool:
    """Draw a panel for each title: means over seeds with their 95 % band. False: no matplotlib.

    `lines` are levels to compare with, by label.
    """
    try:
        mpl = import_module("matplotlib")
        mpl.use("agg")
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        return False
    mpl.rcParams.update({"svg.hashsalt": "population-operator", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(4.0 * len(panels), 3.4), sharey=True, squeeze=False
    )
    for axis, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for name, (color, seeds) in curves.items():
            pairs = [mean_and_margin(values) for values in zip(*seeds, strict=True)]
            low = [mean - margin for mean, margin in pairs]
            high = [mean + margin for mean, margin in pairs]
            axis.plot(steps, [mean for mean, _ in pairs], color=COLORS[color], label=name)
            axis.fill_between(steps, low, high, color=COLORS[color], alpha=0.2, linewidth=0)
        for name, level in (lines or {}).items():
            axis.axhline(level, color="#333333", linestyle=":", linewidth=1, label=name)
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_xlabel("step")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel(label)
    axes[0][0].legend(frameon=False, fontsize=8, loc="best")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return True
