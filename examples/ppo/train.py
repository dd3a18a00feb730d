"""A PPO agent learns to act while its hyperparameters change on the way.

`python train.py` alone, without an operator, trains one agent on a double pendulum.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from pathlib import Path

import numpy as np
import torch
from environments import Environments
from networks import ActorCritic
from ppo import collect, update

from population_worker import Session
from population_worker.torch import TorchState

FEWEST, MOST = 10, 100
"""The score is the mean return of the interval's episodes: at least and at most so many."""


class Agent:
    """Everything that training needs, and how a checkpoint keeps it."""

    def __init__(self, environment: str, copies: int) -> None:
        self.environments = Environments(environment, copies)
        self.model = ActorCritic(self.environments.inputs, self.environments.actions)
        self.optimizer = torch.optim.Adam(self.model.parameters(), eps=1e-5, fused=True)
        self.recent: deque[float] = deque(maxlen=MOST)
        self._torch = TorchState(model=self.model, optimizer=self.optimizer)
        self.apply, self.applied = self._torch.apply, self._torch.applied

    def save(self, path: Path) -> None:
        self._torch.save(path)
        self.environments.save(path)
        (path / "returns.json").write_text(json.dumps(list(self.recent)))

    def load(self, path: Path, kind: str) -> None:
        """A clone takes all that was learned, but acts in episodes of its own."""
        self._torch.load(path, kind)
        self.recent.clear()
        self.recent.extend(json.loads((path / "returns.json").read_text()))
        if kind == "exploit":
            self.environments.stop()
        else:
            self.environments.load(path)

    def train(self, step: int, until: int, seed: int, values: dict) -> tuple[int, list[float]]:
        """Train to the first batch's end at or beyond `until`; the step, and episodes' returns.

        What is random depends on the interval's seed alone, so an interrupted interval repeats
        itself. A batch is never cut, so that its size means the same everywhere.
        """
        rng = np.random.default_rng(seed)
        if not self.environments.started:
            self.environments.start(seed)
        returns: list[float] = []
        while step < until:
            rollout = collect(self.model, self.environments, values["batch_size"], rng)
            update(
                self.model,
                self.optimizer,
                rollout,
                clip=values["clip"],
                lam=values["lambda"],
                rng=rng,
            )
            returns += rollout.returns
            step += rollout.size
        self.recent.extend(returns)
        return step, returns

    def score(self, episodes: int) -> float:
        """The mean return of the last episodes; nan before the first has ended."""
        last = list(self.recent)[-max(episodes, FEWEST) :]
        return float(np.mean(last)) if last else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", default="InvertedDoublePendulum-v5")
    parser.add_argument("--copies", type=int, default=2, help="environments side by side")
    given = parser.parse_args()
    torch.set_num_threads(1)
    alone = {"lr": 3e-4, "clip": 0.2, "lambda": 0.95, "batch_size": 2000}
    with Session(hyperparameters=alone, interval=10_000, max_steps=200_000) as session:
        for member in session.members():
            agent = Agent(given.environment, given.copies)
            for interval in member.intervals(agent):
                step, returns = agent.train(
                    interval.step, interval.until, interval.seed, dict(interval.hyperparameters)
                )
                score = agent.score(len(returns))
                if session.is_alone:
                    print(f"step {step}: mean return {score:.1f}", flush=True)
                interval.report(step, score, samples=returns[-MOST:], episodes=len(returns))


if __name__ == "__main__":
    main()
