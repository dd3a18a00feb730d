"""The algorithms stay light: the controller's memory is bounded."""

from __future__ import annotations

import subprocess
import sys

CHECK = """
import sys
import population_operator.algorithms.registry
print(*sorted({"scipy", "torch", "aiohttp", "asyncio", "kopf"} & set(sys.modules)))
"""


def test_the_algorithms_need_numpy_and_nothing_heavier() -> None:
    # In a process of its own: this one has scipy loaded already.
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
