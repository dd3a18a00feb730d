"""Saves four megabytes of weights, alone."""

from __future__ import annotations

import torch

from population_worker import Session
from population_worker.torch import TorchState

with Session(interval=10, max_steps=10) as session:
    for member in session.members():
        for interval in member.intervals(TorchState(model=torch.nn.Linear(1000, 1000))):
            interval.report(interval.until, 0.0)
