"""How good is a checkpoint? `python evaluate.py FOLDER`: the return of fresh episodes, as JSON.

The policy acts by its mean, without the noise that it explores with in training.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gymnasium
import numpy as np
import torch
from networks import ActorCritic, NumpyPolicy
from safetensors.torch import load_model


def returns(folder: Path, environment: str, episodes: int, seed: int) -> list[float]:
    """The return of each episode; the same for the same checkpoint and seed."""
    env = gymnasium.make(environment)
    box = env.action_space
    model = ActorCritic(env.observation_space.shape[0], box.shape[0])
    load_model(model, str(folder / "model.safetensors"))
    policy = NumpyPolicy(model)
    found = []
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        total, over = 0.0, False
        while not over:
            action = policy(np.asarray(observation, dtype=np.float32)[None])[0]
            observation, reward, terminated, truncated, _ = env.step(
                np.clip(action, box.low, box.high)
            )
            total, over = total + float(reward), terminated or truncated
        found.append(total)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environment", default="InvertedDoublePendulum-v5")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1_000_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(returns(given.folder, given.environment, given.episodes, given.seed)))


if __name__ == "__main__":
    main()
