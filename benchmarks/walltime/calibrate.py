"""The target of `benchmarks.walltime`: what random configurations come to.

    python -m benchmarks.walltime.calibrate > curves.jsonl         # five minutes of a core

64 random configurations train for 3 steps; the better half of them goes on to 27. The target is the
second lowest loss that one of the 64 has at any step: about one full training in 32 reaches it.
Prints a line of JSON for each configuration.
"""

from __future__ import annotations

import json
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from benchmarks.walltime.task import STEPS, Network, draw

COUNT, SEED = 64, 2026
EARLY = 3


def curve(values: dict[str, Any], steps: int) -> list[float]:
    """The losses after each of so many steps; what is not finite is infinite."""
    network = Network(values)
    losses = [network.train() for _ in range(steps)]
    return [loss if math.isfinite(loss) else math.inf for loss in losses]


def main() -> int:
    rng = np.random.default_rng(SEED)
    configurations = [draw(rng) for _ in range(COUNT)]
    with ProcessPoolExecutor() as pool:
        early = list(pool.map(curve, configurations, [EARLY] * COUNT))
        order = sorted(range(COUNT), key=lambda i: early[i][-1])[: COUNT // 2]
        chosen = [configurations[i] for i in order]
        found = pool.map(curve, chosen, [STEPS] * len(chosen))
        for values, losses in zip(chosen, found, strict=True):
            print(json.dumps({"values": values, "losses": losses}), flush=True)
            early.append(losses)
    print(f"target: {sorted(min(losses) for losses in early[COUNT:])[1]:.4f}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
