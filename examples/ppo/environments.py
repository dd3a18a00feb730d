"""Several copies of an environment in one process, which a checkpoint brings back exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import gymnasium
import numpy as np

_RANDOM, _ACTIONS = "environments.json", "environments.npz"


@dataclass
class Episode:
    """What replays the episode that goes on: the generator before its reset, and its actions."""

    random: dict
    actions: list[np.ndarray] = field(default_factory=list)
    rewards: float = 0.0


@dataclass(frozen=True)
class Step:
    """What `count` environments answered; `observations` are those of the episodes that go on.

    `finals` holds, by environment, the last observation of an episode that was cut by its time
    limit: its value belongs to the return, although the episode is over.
    """

    observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    finals: dict[int, np.ndarray]
    returns: list[float]


class Environments:
    """`count` copies of a gymnasium environment with a box of actions.

    No physics engine's state can be saved for every environment. All are deterministic, though: an
    episode is saved as the random state before its reset and its actions so far, and replayed.
    """

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._all = [self._make() for _ in range(count)]
        self._episodes: list[Episode] = []
        self.inputs: int = self._all[0].observation_space.shape[0]
        self.actions: int = self._all[0].action_space.shape[0]
        self._low, self._high = self._all[0].action_space.low, self._all[0].action_space.high
        self.observations = np.zeros((count, self.inputs), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def started(self) -> bool:
        return bool(self._episodes)

    def start(self, seed: int) -> None:
        """Begin a new episode in each, from generators that this seed alone decides."""
        self._episodes = []
        for index, child in enumerate(np.random.SeedSequence(seed).spawn(len(self))):
            environment = self._all[index].unwrapped
            environment.np_random = np.random.Generator(np.random.PCG64(child))
            self._episodes.append(Episode({}))
            self._reset(index)

    def stop(self) -> None:
        """Leave the episodes; `start` begins others."""
        self._episodes = []

    def step(self, actions: np.ndarray) -> Step:
        """Act, count x actions; they are clipped to the box. What ended starts anew at once."""
        actions = np.clip(actions, self._low, self._high)
        count = len(self)
        rewards = np.zeros(count)
        terminated, truncated = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        finals: dict[int, np.ndarray] = {}
        returns: list[float] = []
        for index, action in enumerate(actions):
            observation = self._act(index, action)
            rewards[index], terminated[index], truncated[index] = self._answer
            if terminated[index] or truncated[index]:
                returns.append(self._episodes[index].rewards)
                if not terminated[index]:
                    finals[index] = np.asarray(observation, dtype=np.float32)
                self._reset(index)
            else:
                self.observations[index] = observation
        return Step(self.observations.copy(), rewards, terminated, truncated, finals, returns)

    def save(self, folder: Path) -> None:
        random = [episode.random for episode in self._episodes]
        (folder / _RANDOM).write_text(json.dumps(random))
        actions = {
            str(index): np.array(episode.actions, dtype=np.float32).reshape(-1, self.actions)
            for index, episode in enumerate(self._episodes)
        }
        np.savez(folder / _ACTIONS, **actions)

    def load(self, folder: Path) -> None:
        """Replay each episode up to where it was. Raises ValueError for another count."""
        random = json.loads((folder / _RANDOM).read_text())
        if len(random) != len(self):
            raise ValueError(f"the checkpoint has {len(random)} environments, not {len(self)}")
        self._episodes = [Episode(state) for state in random]
        with np.load(folder / _ACTIONS, allow_pickle=False) as saved:
            for index, state in enumerate(random):
                self._all[index].unwrapped.np_random.bit_generator.state = state
                self._reset(index)
                for action in saved[str(index)]:
                    self.observations[index] = self._act(index, action)

    def _make(self) -> gymnasium.Env:
        return gymnasium.make(self._name, disable_env_checker=True)

    def _reset(self, index: int) -> None:
        environment = self._all[index]
        if hasattr(environment.unwrapped, "world"):
            # A world of Box2D keeps traces of earlier episodes, which a replay would lack.
            fresh, old = self._make(), environment.unwrapped
            fresh.unwrapped.np_random = old.np_random
            environment = self._all[index] = fresh
        self._episodes[index] = Episode(environment.unwrapped.np_random.bit_generator.state)
        self.observations[index], _ = environment.reset()

    def _act(self, index: int, action: np.ndarray) -> np.ndarray:
        observation, reward, terminated, truncated, _ = self._all[index].step(action)
        episode = self._episodes[index]
        episode.actions.append(action)
        episode.rewards += float(reward)
        self._answer = float(reward), bool(terminated), bool(truncated)
        return observation
