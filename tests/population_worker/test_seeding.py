"""One seed for all generators."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy
import torch

from population_worker import seed_everything
from tests.population_worker.support import SDK


def draw() -> tuple[float, float, float]:
    return random.random(), float(numpy.random.rand()), float(torch.rand(1))


def test_all_64_bits_count():
    drawn = []
    for seed in (0, 1, 2**32, 2**64 - 1, 0):
        seed_everything(seed)
        drawn.append(draw())
    assert drawn[0] == drawn[4]
    assert len(set(drawn)) == 4
    assert len({python for python, _, _ in drawn}) == 4
    assert len({array for _, array, _ in drawn}) == 4
    assert len({tensor for _, _, tensor in drawn}) == 4


def test_what_is_not_imported_stays_so():
    """A program without PyTorch must not pay for it, nor one without NumPy."""
    code = (
        "import sys, population_worker as p; p.seed_everything(1); "
        "assert 'torch' not in sys.modules and 'population_operator' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SDK)}, check=True)
