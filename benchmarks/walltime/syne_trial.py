"""One trial of Syne Tune: its configuration comes as arguments, a process for each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from syne_tune import Reporter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.walltime.task import STEPS, chosen


def main() -> None:
    parser, task = argparse.ArgumentParser(), chosen()
    for name, (_, _, scale) in task.space.items():
        parser.add_argument(f"--{name}", type=int if scale == "whole" else float)
    values = vars(parser.parse_known_args()[0])
    report = Reporter()
    model = task.model(values)
    for _ in range(STEPS):
        loss = model.train()
        report(step=model.step, loss=loss)


if __name__ == "__main__":
    main()
