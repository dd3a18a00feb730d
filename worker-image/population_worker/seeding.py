"""One seed for every random generator that the program uses."""

from __future__ import annotations

import hashlib
import random
import sys


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators.

    `seed` is an unsigned 64 bit integer. A library that the program has not imported is left
    alone: importing it here would cost seconds and memory for nothing.
    """
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    if torch := sys.modules.get("torch"):
        torch.manual_seed(_mixed(seed))  # every device's generator, too


def _mixed(seed: int) -> int:
    """Spread all bits: PyTorch's generator for the CPU looks only at the lower 32."""
    digest = hashlib.sha256(seed.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[:8], "big")
