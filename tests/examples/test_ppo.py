"""examples/ppo: the estimates, the moments, and that a checkpoint brings everything back.

The environments are gymnasium's own and one made here; those of the extra `rl` where installed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

EXAMPLE = Path(__file__).parents[2] / "examples/ppo"
sys.path.insert(0, str(EXAMPLE))
try:
    import environments
    import networks
    import ppo
    import train
finally:
    sys.path.remove(str(EXAMPLE))

ENVIRONMENTS = (
    "Pendulum-v1",
    "InvertedDoublePendulum-v5",
    "Hopper-v5",
    "LunarLanderContinuous-v3",
    "BipedalWalker-v3",
)
VALUES = {"batch_size": 256, "clip": 0.2, "lambda": 0.95, "lr": 1e-3}


class Target(gymnasium.Env):
    """The nearer the action is to 0.5, the better; every eighth step is the last."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, **_: Any) -> Any:
        self.step_number = 0
        return np.ones(2, dtype=np.float32), {}

    def step(self, action: np.ndarray) -> Any:
        self.step_number += 1
        reward = -float((action[0] - 0.5) ** 2)
        return np.ones(2, dtype=np.float32), reward, self.step_number == 8, False, {}


gymnasium.register("Target-v0", entry_point=Target)


def an_agent(environment: str = "Pendulum-v1", seed: int = 0) -> Any:
    torch.manual_seed(seed)
    try:
        agent = train.Agent(environment, 2)
    except (gymnasium.error.DependencyNotInstalled, ImportError) as missing:
        pytest.skip(str(missing))
    agent.apply(VALUES)
    return agent


def weights(agent: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in agent.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# --- estimates ---


def some_rollout(rng: np.random.Generator, steps: int = 40, count: int = 3) -> Any:
    def draw() -> np.ndarray:
        return rng.normal(size=(steps, count))

    terminated = rng.random((steps, count)) < 0.1
    truncated = (rng.random((steps, count)) < 0.1) & ~terminated
    return SimpleNamespace(
        rewards=draw(), values=draw(), next_values=draw(), terminated=terminated,
        truncated=truncated,
    )  # fmt: skip


@pytest.mark.parametrize("lam", [0.0, 0.9, 1.0])
def test_advantages_are_the_sums_that_define_them(lam: float) -> None:
    """Equation 16: the sum of (gamma lambda)^l delta over the rest of the episode."""
    rollout, gamma = some_rollout(np.random.default_rng(3)), 0.97
    found = ppo.advantages(rollout, lam, gamma)
    steps, count = rollout.rewards.shape
    for index in range(count):
        for start in range(steps):
            expected, factor = 0.0, 1.0
            for t in range(start, steps):
                after = 0.0 if rollout.terminated[t, index] else rollout.next_values[t, index]
                delta = rollout.rewards[t, index] + gamma * after - rollout.values[t, index]
                expected += factor * delta
                factor *= gamma * lam
                if rollout.terminated[t, index] or rollout.truncated[t, index]:
                    break
            assert found[start, index] == pytest.approx(expected, abs=1e-12)


def test_a_time_limit_is_not_an_end() -> None:
    """The last step's successor is the state that the limit cut off, not the next episode's."""
    agent = an_agent()
    agent.environments.start(7)
    rollout = ppo.collect(agent.model, agent.environments, 2 * 250, np.random.default_rng(0))
    assert np.flatnonzero(rollout.truncated[:, 0]).tolist() == [199]
    assert not rollout.terminated.any()
    assert len(rollout.returns) == 2

    plain = gymnasium.make("Pendulum-v1")
    child = np.random.SeedSequence(7).spawn(2)[0]
    plain.unwrapped.np_random = np.random.Generator(np.random.PCG64(child))
    plain.reset()
    for action in rollout.actions.reshape(250, 2, 1)[:200, 0].numpy():
        final, *_ = plain.step(np.clip(action, -2, 2))
    fresh = an_agent().model  # the moments that the rollout was collected with
    value = fresh.values(fresh.normalised(torch.from_numpy(final)[None])).item()
    assert rollout.next_values[199, 0] == pytest.approx(value, rel=1e-5)
    assert rollout.next_values[199, 0] != pytest.approx(rollout.values[200, 0], rel=1e-3)
    others = [t for t in range(249) if t != 199]
    assert np.array_equal(rollout.next_values[others, 0], rollout.values[1:, 0][others])


# --- networks ---


def test_moments_of_batches_are_those_of_all() -> None:
    rng = np.random.default_rng(0)
    batches = [rng.normal(3, 5, size=(size, 4)) for size in (1, 70, 9)]
    moments = networks.Moments(4)
    for batch in batches:
        moments.update(torch.from_numpy(batch))
    everything = np.concatenate(batches)
    assert np.allclose(moments.mean, everything.mean(0))
    assert np.allclose(moments.variance, everything.var(0))


def test_new_moments_of_returns_do_not_change_values() -> None:
    torch.manual_seed(0)
    network = networks.ActorCritic(3, 1)
    x = torch.randn(50, 3)
    network.rescale(torch.randn(100).double() * 3 - 2)
    before = network.values(x)
    normalised = network.rescale(torch.randn(1000).double() * 900 + 400)
    assert torch.allclose(network.values(x), before, atol=1e-3)
    assert normalised.abs().mean() < 2


def test_numpy_acts_as_torch_does() -> None:
    torch.manual_seed(0)
    network = networks.ActorCritic(5, 2)
    network.observed.update(torch.randn(100, 5) * 4 + 1)
    observations = torch.randn(7, 5) * 20
    expected = network.policy(network.normalised(observations)).detach().numpy()
    assert np.allclose(networks.NumpyPolicy(network)(observations.numpy()), expected, atol=1e-5)


def test_it_learns() -> None:
    agent = an_agent("Target-v0")
    agent.apply({**VALUES, "lr": 3e-3})
    agent.train(0, 1, 0, VALUES)
    first = agent.score(0)
    agent.train(256, 256 * 30, 1, VALUES)
    assert agent.score(0) > first / 4  # returns are negative
    mean = networks.NumpyPolicy(agent.model)(np.ones((1, 2), dtype=np.float32))
    assert abs(mean.item() - 0.5) < 0.15


# --- checkpoints ---


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_resumed_agent_goes_on_as_if_nothing_had_happened(name: str, tmp_path: Path) -> None:
    agent = an_agent(name)
    step, _ = agent.train(0, 700, 1, VALUES)
    agent.save(tmp_path)
    at = agent.environments.observations.copy()
    end, returns = agent.train(step, 1500, 2, VALUES)

    other = an_agent(name, seed=99)
    other.train(0, 300, 5, VALUES)  # what it did before does not matter
    other.load(tmp_path, "resume")
    assert np.array_equal(other.environments.observations, at)
    assert other.train(step, 1500, 2, VALUES) == (end, returns)
    assert same(weights(other), weights(agent))
    assert other.recent == agent.recent
    assert np.array_equal(other.environments.observations, agent.environments.observations)


def test_a_clone_takes_the_weights_and_acts_by_itself(tmp_path: Path) -> None:
    donor = an_agent()
    step, _ = donor.train(0, 700, 1, VALUES)
    donor.save(tmp_path)
    clones = [an_agent(seed=seed) for seed in (1, 2, 3)]
    for clone in clones:
        clone.load(tmp_path, "exploit")
        assert same(weights(clone), weights(donor))
        assert not clone.environments.started
    for clone, seed in zip(clones, (8, 8, 9), strict=True):
        clone.train(step, step + 256, seed, VALUES)
    assert same(weights(clones[0]), weights(clones[1]))
    assert not same(weights(clones[0]), weights(clones[2]))


def test_another_number_of_environments_is_refused(tmp_path: Path) -> None:
    agent = an_agent()
    agent.train(0, 10, 1, VALUES)
    agent.save(tmp_path)
    with pytest.raises(ValueError, match="2 environments, not 3"):
        environments.Environments("Pendulum-v1", 3).load(tmp_path)


def test_a_score_looks_at_ten_episodes_at_least() -> None:
    agent = an_agent()
    assert np.isnan(agent.score(3))
    agent.recent.extend(range(50))
    assert agent.score(3) == pytest.approx(np.mean(range(40, 50)))
    assert agent.score(20) == pytest.approx(np.mean(range(30, 50)))
