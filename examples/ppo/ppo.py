"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) for continuous actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from environments import Environments
from networks import ActorCritic, NumpyPolicy
from torch import Tensor

GAMMA, EPOCHS, MINIBATCH = 0.99, 10, 128


@dataclass(frozen=True)
class Rollout:
    """T steps of N environments. `next_values` are those of the true successor of each step: of
    the last observation where the time limit cut an episode, not of the next episode's first.
    """

    x: Tensor
    actions: Tensor
    rewards: np.ndarray
    values: np.ndarray
    next_values: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    returns: list[float]

    @property
    def size(self) -> int:
        return self.rewards.size


def collect(
    model: ActorCritic, environments: Environments, size: int, rng: np.random.Generator
) -> Rollout:
    """Act for at least `size` steps in all, then take the observations into the moments."""
    policy, count = NumpyPolicy(model), len(environments)
    steps = -(-size // count)
    observations = np.empty((steps, count, environments.inputs), dtype=np.float32)
    actions = policy.std * rng.standard_normal(
        (steps, count, environments.actions), dtype=np.float32
    )
    rewards = np.empty((steps, count))
    terminated, truncated = np.empty((2, steps, count), dtype=bool)
    finals: list[tuple[int, int, np.ndarray]] = []
    returns: list[float] = []
    for t in range(steps):
        observations[t] = environments.observations
        actions[t] += policy(environments.observations)
        step = environments.step(actions[t])
        rewards[t], terminated[t], truncated[t] = step.rewards, step.terminated, step.truncated
        finals += [(t, index, final) for index, final in step.finals.items()]
        returns += step.returns

    def values(of: np.ndarray) -> np.ndarray:
        flat = model.normalised(torch.from_numpy(of.reshape(-1, environments.inputs)))
        return model.values(flat).numpy().reshape(of.shape[:-1])

    known = values(np.concatenate([observations, environments.observations[None]]))
    next_values = known[1:].copy()
    for t, index, final in finals:
        next_values[t, index] = values(final[None])[0]
    flat = torch.from_numpy(observations.reshape(-1, environments.inputs))
    rollout = Rollout(
        x=model.normalised(flat),
        actions=torch.from_numpy(actions.reshape(-1, environments.actions)),
        rewards=rewards,
        values=known[:-1],
        next_values=next_values,
        terminated=terminated,
        truncated=truncated,
        returns=returns,
    )
    # Only now: the ratio of old and new policies needs the same inputs on both sides.
    model.observed.update(flat)
    return rollout


def advantages(rollout: Rollout, lam: float, gamma: float = GAMMA) -> np.ndarray:
    """Generalised advantage estimates, T x N (arXiv 1506.02438, equation 16).

    A terminal state is worth nothing; an episode that was cut goes on in its value. Neither lets
    the advantages of the next episode leak in.
    """
    alive = ~rollout.terminated
    deltas = rollout.rewards + gamma * rollout.next_values * alive - rollout.values
    decay = gamma * lam * (alive & ~rollout.truncated)
    result, carry = np.empty_like(deltas), np.zeros(deltas.shape[1])
    for t in range(len(deltas) - 1, -1, -1):
        carry = deltas[t] + decay[t] * carry
        result[t] = carry
    return result


def update(
    model: ActorCritic,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    *,
    clip: float,
    lam: float,
    rng: np.random.Generator,
) -> None:
    """Several epochs of the clipped objective (equation 7) and the values' squared error."""
    estimated = advantages(rollout, lam)
    targets = model.rescale(torch.from_numpy((estimated + rollout.values).ravel()))
    estimated = (estimated - estimated.mean()) / (estimated.std() + 1e-8)
    with torch.no_grad():
        before = model.log_probability(rollout.x, rollout.actions)
    columns = (
        rollout.x,
        rollout.actions,
        before,
        torch.from_numpy(estimated.ravel()).float(),
        targets,
    )
    for _ in range(EPOCHS):
        order = torch.from_numpy(rng.permutation(rollout.size))
        for batch in zip(*(c[order].split(MINIBATCH) for c in columns), strict=True):
            loss = _loss(model, *batch, clip=clip)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _loss(
    model: ActorCritic,
    x: Tensor,
    actions: Tensor,
    before: Tensor,
    advantage: Tensor,
    target: Tensor,
    *,
    clip: float,
) -> Tensor:
    ratio = (model.log_probability(x, actions) - before).exp()
    gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    error = model.value(x).squeeze(-1) - target
    return 0.5 * (error * error).mean() - gain.mean()
