"""Time-varying EXP3.M: which categories to play, by what they were worth in each interval.

EXP3.M plays several arms at once (Uchiya, Nakamura, Kudo, ALT 2010); PB2-Mix lets it forget
(Parker-Holder, Nguyen, Desai, Roberts, arXiv 2106.15883, algorithm 1), as EXP3.S does. For C
arms, B plays in an interval, T intervals in all:

    gamma = sqrt(C ln(C / B) / ((e - 1) B T / 10)), at most 1; 0.2 where B >= C
    omega = 1 / (10 T)
    q_c   = B ((1 - gamma) w_c / sum w + gamma / C)            the plays of c to be expected
    g_c   = the mean of its plays' rewards / min(1, q_c)       the estimate of its reward, or 0
    w_c  <- w_c exp(B gamma g_c / C) + e omega / C sum w       (no growth where q_c was capped)

Where B < C no arm is played twice, so q_c is capped at 1 by capping the weights (`_capped`).

Where B >= C an arm may be played by several members: it counts once, by their mean.

The weights are no part of the fold: they follow from its transitions, which a restart has, as far
back as the window goes. They see every member's play, whether it was drawn for this interval or
kept from the one before. The estimate is unbiased for the former; the mean (and not, as in the
paper's code, the sum over q_c) keeps an arm from being taken for worse because many keep to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from population_operator.algorithms.gaussian_process import Array

DEFAULT_GAMMA = 0.2


def exploration(arms: int, plays: int, rounds: int) -> float:
    """gamma: the share of plays that is spread evenly.

    >>> exploration(2, 4, 40)
    0.2
    >>> round(exploration(8, 4, 100), 3)
    0.284
    """
    if plays >= arms or rounds < 1:
        return DEFAULT_GAMMA
    root = arms * math.log(arms / plays) / ((math.e - 1.0) * plays * rounds / 10.0)
    return min(1.0, math.sqrt(root))


def weights(rounds: Iterable[tuple[list[int], list[float]]], arms: int, total: int) -> Array:
    """The weights (C) after the rounds, of sum 1.

    Args:
      rounds: for each interval, oldest first, the arm of each of its plays and its reward in
        [0, 1]; -1 is a play of none of the arms.
      arms: C.
      total: T.
    """
    current = np.full(arms, 1.0 / arms)
    omega = 1.0 / (10.0 * max(total, 1))
    for chosen, rewards in rounds:
        plays = len(chosen)
        gamma = exploration(arms, plays, total)
        expected, capped = expectations(current, plays, gamma)
        of_arm = [
            [r for c, r in zip(chosen, rewards, strict=True) if c == arm] for arm in range(arms)
        ]
        means = np.array([sum(found) / len(found) if found else 0.0 for found in of_arm])
        gains = means / np.minimum(expected, 1.0)
        growth = np.where(capped, 1.0, np.exp(np.minimum(plays * gamma * gains / arms, 50.0)))
        current = current * growth + math.e * omega / arms * current.sum()
        current /= current.sum()
    return current


def expectations(weight: Array, plays: int, gamma: float) -> tuple[Array, NDArray[np.bool_]]:
    """Expected plays of each arm (C, of sum B), and which of them were capped at 1 (C)."""
    arms = len(weight)
    capped = np.zeros(arms, dtype=bool)
    if plays >= arms:
        return plays * ((1.0 - gamma) * weight / weight.sum() + gamma / arms), capped
    share = (1.0 / plays - gamma / arms) / (1.0 - gamma) if gamma < 1.0 else 1.0
    weight, capped = _capped(weight, share)
    return plays * ((1.0 - gamma) * weight / weight.sum() + gamma / arms), capped


def _capped(weight: Array, share: float) -> tuple[Array, NDArray[np.bool_]]:
    """Weights of which none has more than `share` of the sum: the largest are made equal.

    With k of them at v, and r the sum of the rest, v = share (k v + r).
    """
    order = np.argsort(-weight, kind="stable")
    capped = np.zeros(len(weight), dtype=bool)
    for count, arm in enumerate(order.tolist()):
        level = share * float(weight[order[count:]].sum()) / max(1.0 - count * share, 1e-12)
        if weight[arm] <= level:
            return np.where(capped, level, weight), capped
        capped[arm] = True
    return np.ones(len(weight)), capped


def draw(weight: Array, plays: int, gamma: float, rng: np.random.Generator) -> list[int]:
    """`plays` arms in random order: none twice where that is possible, else drawn one by one."""
    arms = len(weight)
    expected, _ = expectations(weight, plays, gamma)
    if plays >= arms:
        return [int(arm) for arm in rng.choice(arms, size=plays, p=expected / expected.sum())]
    chosen = dep_round(expected, rng)
    return [chosen[place] for place in rng.permutation(len(chosen))]


def dep_round(expected: Array, rng: np.random.Generator) -> list[int]:
    """A set of arms in which arm c is with probability `expected[c]`, its size their sum.

    Gandhi, Khuller, Parthasarathy, Srinivasan, JACM 53 (2006): two fractions meet, one of them
    becomes 0 or 1, the expectations stay.
    """
    left = np.clip(expected, 0.0, 1.0).tolist()
    open_ = [i for i, p in enumerate(left) if 1e-9 < p < 1.0 - 1e-9]
    while len(open_) >= 2:
        i, j = open_[0], open_[1]
        up, down = min(1.0 - left[i], left[j]), min(left[i], 1.0 - left[j])
        if rng.random() < down / (up + down):
            left[i], left[j] = left[i] + up, left[j] - up
        else:
            left[i], left[j] = left[i] - down, left[j] + down
        open_ = [k for k in open_ if 1e-9 < left[k] < 1.0 - 1e-9]
    for k in open_:
        left[k] = float(rng.random() < left[k])
    return [k for k, p in enumerate(left) if p > 0.5]
