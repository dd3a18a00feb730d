"""The targets of `benchmarks.walltime`: what random configurations come to, and one by hand.

    python -m benchmarks.walltime.calibrate many > curves.jsonl    # five minutes of a core

64 random configurations train for 3 steps; the better half of them goes on to 27, and so does the
one by hand. The target of `few` is the second lowest loss that one of the 64 has at any step: about
one full training in 32 reaches it. That of `many` lies half-way, as a ratio, between the lowest of
the 64 and the one by hand: more than luck finds, less than is known to be there. That of `smooth`
is the one by hand's: half-way was tried first, and most are there within half a minute.

Prints a line of JSON for each configuration, the one by hand last.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.walltime.task import STEPS, TASK, TASKS, chosen

COUNT, SEED = 64, 2026
EARLY = 3


def curve(values: dict[str, Any], steps: int) -> list[float]:
    """The losses after each of so many steps; what is not finite is infinite."""
    model = chosen().model(values)
    losses = [model.train() for _ in range(steps)]
    return [loss if math.isfinite(loss) else math.inf for loss in losses]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=TASKS)
    os.environ[TASK] = name = parser.parse_args().task
    task, rng = TASKS[name], np.random.default_rng(SEED)
    configurations = [task.draw(rng) for _ in range(COUNT)]
    # A process reads OPENBLAS_NUM_THREADS when it starts: a fresh one, for it trains beside others.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        early = list(pool.map(curve, configurations, [EARLY] * COUNT))
        order = sorted(range(COUNT), key=lambda i: early[i][-1])[: COUNT // 2]
        finalists = [*(configurations[i] for i in order), dict(task.by_hand)]
        lowest = []
        for values, losses in zip(
            finalists, pool.map(curve, finalists, [STEPS] * len(finalists)), strict=True
        ):
            print(json.dumps({"values": values, "losses": losses}), flush=True)
            lowest.append(min(losses))
    *found, by_hand = lowest
    best, second = sorted(found)[:2]
    print(f"best {best:.4f}, second {second:.4f}, by hand {by_hand:.4f}", file=sys.stderr)
    rules = {"few": second, "many": math.sqrt(best * by_hand), "smooth": by_hand}
    print(f"target: {rules[name]:.4f}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
