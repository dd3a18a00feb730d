"""The networks of a Gaussian policy and its value, with the moments that normalise both."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

WIDTH = 64
CLIP = 10.0
"""Normalised observations are clipped here."""


class Moments(nn.Module):
    """Running mean and variance, as buffers: they are saved and copied with the weights.

    `horizon` is how many samples at most weigh against a new batch, so that older ones fade.
    """

    def __init__(self, size: int, horizon: float = math.inf) -> None:
        super().__init__()
        self.horizon = horizon
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @property
    def std(self) -> Tensor:
        return (self.variance + 1e-8).sqrt()

    @torch.no_grad()
    def update(self, batch: Tensor) -> None:
        """Take a batch in, n x size: the pooled variance of two samples (Chan et al. 1983)."""
        batch = batch.double()
        old, new = min(self.count.item(), self.horizon), len(batch)
        share = new / (old + new)
        shift = batch.mean(0) - self.mean
        spread = batch.var(0, correction=0)
        self.variance += share * (spread - self.variance + (1 - share) * shift**2)
        self.mean += share * shift
        self.count.fill_(old + new)


class ActorCritic(nn.Module):
    """Policy N(policy(x), exp(log_std)^2) and value, on normalised observations x, n x inputs."""

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.policy = _network(inputs, actions, gain=0.01)
        self.value = _network(inputs, 1, gain=1.0)
        self.log_std = nn.Parameter(torch.zeros(actions))
        self.observed = Moments(inputs)
        self.returned = Moments(1, horizon=50_000)

    def normalised(self, observations: Tensor) -> Tensor:
        scaled = (observations - self.observed.mean) / self.observed.std
        return scaled.clamp(-CLIP, CLIP).float()

    def log_probability(self, x: Tensor, actions: Tensor) -> Tensor:
        """Up to a constant, n."""
        z = (actions - self.policy(x)) * (-self.log_std).exp()
        return -0.5 * (z * z).sum(-1) - self.log_std.sum()

    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """In the reward's own unit, n."""
        return self.value(x).squeeze(-1).double() * self.returned.std + self.returned.mean

    @torch.no_grad()
    def rescale(self, returns: Tensor) -> Tensor:
        """Take returns into the moments and give them normalised, n.

        The last layer changes so that `values` stays what it was (Pop-Art, arXiv 1602.07714).
        """
        mean, std = self.returned.mean.clone(), self.returned.std
        self.returned.update(returns.unsqueeze(-1))
        head = self.value[-1]
        head.weight *= (std / self.returned.std).float()
        head.bias.copy_((std * head.bias + mean - self.returned.mean) / self.returned.std)
        return ((returns - self.returned.mean) / self.returned.std).float()


class NumpyPolicy:
    """The policy's mean for few observations at a time: a fifth of what PyTorch's calls cost."""

    def __init__(self, model: ActorCritic) -> None:
        self._mean = model.observed.mean.numpy().astype(np.float32)
        self._scale = (1 / model.observed.std).numpy().astype(np.float32)
        linear = [layer for layer in model.policy if isinstance(layer, nn.Linear)]
        self._layers = [(n.weight.detach().numpy().T, n.bias.detach().numpy()) for n in linear]
        self.std = model.log_std.detach().exp().numpy()

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Raw observations, n x inputs, to mean actions, n x actions."""
        x = (observations - self._mean) * self._scale
        np.minimum(np.maximum(x, -CLIP, out=x), CLIP, out=x)
        *hidden, (weight, bias) = self._layers
        for inner, offset in hidden:
            x = np.tanh(x @ inner + offset)
        return x @ weight + bias


def _network(inputs: int, outputs: int, gain: float) -> nn.Sequential:
    layers = [nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, outputs)]
    for layer, scale in zip(layers, (math.sqrt(2), math.sqrt(2), gain), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])
