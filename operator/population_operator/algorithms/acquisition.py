"""What makes a configuration worth trying, and the search for the one that is most worth it.

With mean m, standard deviation s, the best mean b so far, z = (m - b) / s:

    EI     = s h(z),  h(z) = phi(z) + z Phi(z)          Jones, Schonlau, Welch, 1998, equation 15
    logEI  = ln s + ln h(z)                             Ament et al., arXiv 2310.20708, section 4.1
    UCB    = m + kappa s                                Srinivas et al., arXiv 0912.3995

ln h is computed so that it is a number however far below the best a point lies: by the asymptotic
series of h where phi(z) and z Phi(z) cancel. All are to be maximised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from population_operator.algorithms.gaussian_process import Array
from population_operator.api import CategoricalDomain, Value
from population_operator.api.trials import Acquisition
from population_operator.model.space import (
    Hyperparameters,
    Space,
    draw,
    from_unit,
    is_active,
    sample,
    to_unit,
)

Score = Callable[[Sequence[Hyperparameters]], Array]

CANDIDATES = 512
"""Random configurations at first."""
STARTS = 8
"""The best of them, and of those tried before, from which the search goes on."""
ROUNDS = 14
"""Rounds of neighbours; their distance shrinks from a tenth of the range by a third each time."""
NEIGHBOURS = 16
"""Around each start and in each round."""
ASYMPTOTIC = -20.0
"""Below this z, ln h by its series."""


def log_h(z: Array) -> Array:
    """ln(phi(z) + z Phi(z)).

    >>> [round(float(x), 6) for x in log_h(np.array([1.0, 0.0, -5.0, -40.0]))]
    [0.080026, -0.918939, -16.744301, -808.298568]
    """
    phi = -0.5 * z * z - 0.5 * math.log(2.0 * math.pi)
    below = z < ASYMPTOTIC
    near = np.where(below, ASYMPTOTIC, z)
    cdf = np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in near.tolist()])
    direct = np.log(np.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi) + near * cdf)
    far = np.where(below, z, ASYMPTOTIC) ** 2
    series = phi - np.log(far) + np.log1p(-3.0 / far + 15.0 / far**2)
    return np.asarray(np.where(below, series, direct))


def value(kind: Acquisition, mean: Array, deviation: Array, best: float, kappa: float) -> Array:
    """The acquisition (q); the same shapes as `mean` and `deviation`."""
    if kind is Acquisition.UCB:
        return mean + kappa * deviation
    logarithm = np.log(deviation) + log_h((mean - best) / deviation)
    return logarithm if kind is Acquisition.LOG_EI else np.exp(logarithm)


def most_promising(
    space: Space, score: Score, known: Sequence[Hyperparameters], rng: np.random.Generator
) -> dict[str, Value]:
    """The configuration with the highest score that was found and is not among `known`.

    Random candidates, then neighbours of the best, ever nearer. Ties go to the one drawn first.
    """
    seen = {_key(values) for values in known}
    pool = [sample(space, rng) for _ in range(CANDIDATES)]
    pool += [dict(values) for values in known[-STARTS:]]
    scores = score(pool)
    first = np.argsort(-scores, kind="stable")
    best: list[dict[str, Value]] = [pool[int(i)] for i in first[:STARTS]]
    values = scores[first[:STARTS]]
    width = 0.1
    for _ in range(ROUNDS):
        tries = [neighbour(space, one, width, rng) for one in best for _ in range(NEIGHBOURS)]
        found = score(tries).reshape(len(best), NEIGHBOURS)
        for i, row in enumerate(found):
            j = int(np.argmax(row))
            if row[j] > values[i]:
                best[i], values[i] = tries[i * NEIGHBOURS + j], row[j]
        width *= 2.0 / 3.0
    ordered = [best[int(i)] for i in np.argsort(-values, kind="stable")]
    ordered += [pool[int(i)] for i in first]
    return next((one for one in ordered if _key(one) not in seen), ordered[0])


def neighbour(
    space: Space, values: Hyperparameters, width: float, rng: np.random.Generator
) -> dict[str, Value]:
    """A configuration near this one: numbers moved by about `width`, a category now and then.

    About two parameters move, so that a search in many dimensions finds an edge.
    """
    moved: dict[str, Value] = {}
    steps, chances = rng.normal(size=len(space)).tolist(), rng.random(len(space)).tolist()
    for parameter, step, chance in zip(space, steps, chances, strict=True):
        old, domain = values.get(parameter.name), parameter.domain
        if old is None:
            moved[parameter.name] = draw(parameter, rng)
        elif isinstance(domain, CategoricalDomain):
            moved[parameter.name] = draw(parameter, rng) if chance < width else old
        elif chance < max(0.3, 2.0 / len(space)):
            moved[parameter.name] = from_unit(domain, to_unit(domain, float(old)) + width * step)
        else:
            moved[parameter.name] = old
    return {p.name: moved[p.name] for p in space if is_active(p, space, moved)}


def _key(values: Hyperparameters) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(values.items()))
