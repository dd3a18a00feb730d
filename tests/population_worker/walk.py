"""A random walk as a program to train: small, exact, and it tells what was done to it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from population_worker import Session


class Walk:
    """Its place is the only weight; `lr` is the size of a step."""

    def __init__(self, lr: float) -> None:
        self.place = 0.0
        self.lr = lr
        self.calls: list[str] = []

    def train(self) -> None:
        self.place += self.lr * random.gauss(0, 1)

    def save(self, path: Path) -> None:
        self.calls.append("save")
        content = {"place": self.place, "lr": self.lr, "random": random.getstate()}
        (path / "walk.json").write_text(json.dumps(content))

    def load(self, path: Path, kind: str) -> None:
        self.calls.append(f"load {kind}")
        content = json.loads((path / "walk.json").read_text())
        self.place, self.lr = content["place"], content["lr"]
        if kind != "exploit":
            version, words, gauss = content["random"]
            random.setstate((version, tuple(words), gauss))

    def apply(self, hyperparameters: dict[str, Any]) -> None:
        self.calls.append("apply")
        self.lr = hyperparameters["lr"]


class Program:
    """Trains walks for as long as the operator wants; keeps them by name for the test to see."""

    def __init__(self) -> None:
        self.walks: list[tuple[str, Walk]] = []
        self.intervals: list[tuple[int, int]] = []

    def __call__(self, session: Session) -> None:
        for member in session.members():
            walk = Walk(float(member.hyperparameters["lr"]))
            self.walks.append((member.name, walk))
            for interval in member.intervals(walk):
                self.intervals.append((interval.step, interval.until))
                for _ in range(interval.step, interval.until):
                    walk.train()
                interval.report(interval.until, walk.place)
