"""Welch's t-test with the standard library only.

`scipy` is no dependency of the base installation, and importing `scipy.stats` would cost the
controller 60 MB for this one number. Student's distribution is a regularised incomplete beta
function, and that is a short continued fraction; a test holds it to `scipy.stats` within 1e-10,
relative, from p = 1 down to 1e-280.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_TINY = 1e-300
"""What a vanishing term of the continued fraction is replaced by (Lentz)."""

_ROUNDS = 100_000
"""Rounds after which the fraction is given up; it needs some sqrt(max(a, b)) of them."""


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p-value of "both come from distributions of the same mean".

    The variances may differ (Welch, Biometrika 34, 1947); the degrees of freedom are
    Satterthwaite's.

    Args:
      first: n >= 0 finite values.
      second: m >= 0 finite values.

    Returns:
      p in [0, 1], or none where there is no test to make: fewer than two values on a side, or no
      variance on either.

    >>> round(welch([1.0, 2.0, 3.0], [4.0, 5.0, 7.0]), 4)
    0.0419
    >>> welch([1.0, 1.0], [2.0, 2.0]) is None
    True
    """
    if len(first) < 2 or len(second) < 2:
        return None
    # p does not depend on the unit; in this one no square overflows.
    unit = max(max(map(abs, first)), max(map(abs, second))) or 1.0
    mean_1, error_1 = _mean_and_squared_error([value / unit for value in first])
    mean_2, error_2 = _mean_and_squared_error([value / unit for value in second])
    total = error_1 + error_2
    if total == 0.0:
        return None
    share = error_1 / total
    freedom = 1.0 / (share**2 / (len(first) - 1) + (1.0 - share) ** 2 / (len(second) - 1))
    return two_sided((mean_1 - mean_2) / math.sqrt(total), freedom)


def two_sided(t: float, freedom: float) -> float:
    """P(|T| >= |t|) for Student's T with `freedom` > 0 degrees of freedom.

    >>> two_sided(0.0, 5.0), two_sided(math.inf, 5.0)
    (1.0, 0.0)
    """
    square = t * t
    if math.isinf(square):
        return 0.0
    total = freedom + square
    return regularised_incomplete_beta(
        freedom / 2.0, 0.5, x=freedom / total, complement=square / total
    )


def regularised_incomplete_beta(a: float, b: float, *, x: float, complement: float) -> float:
    """I_x(a, b) for a, b > 0 and 0 <= x <= 1.

    Args:
      a: first shape.
      b: second shape.
      x: where to evaluate.
      complement: 1 - x. The caller knows it exactly where x is so near to 1 that the difference
        would have lost its digits.
    """
    if x <= 0.0 or complement <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    # log1p of the smaller one: its digits are the ones that count.
    log_x = math.log(x) if x < 0.5 else math.log1p(-complement)
    log_complement = math.log(complement) if complement < 0.5 else math.log1p(-x)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * log_x + b * log_complement - log_beta)
    # The fraction converges fast below the mean; above it, by symmetry, from the other side.
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _continued_fraction(a, b, x) / a
    return 1.0 - front * _continued_fraction(b, a, complement) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    """The fraction of I_x(a, b), DLMF 8.17.22, by Lentz's method as modified by Thompson."""
    upper, lower = 1.0, _inverse(1.0 - (a + b) * x / (a + 1.0))
    value = lower
    for m in range(1, _ROUNDS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = _inverse(1.0 + even * lower)
        upper = 1.0 + even / (upper or _TINY)
        value *= lower * upper
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        lower = _inverse(1.0 + odd * lower)
        upper = 1.0 + odd / (upper or _TINY)
        step = lower * upper
        value *= step
        if abs(step - 1.0) < 1e-16:
            return value
    raise ArithmeticError(f"the continued fraction of I_{x}({a}, {b}) does not converge")


def _inverse(value: float) -> float:
    return 1.0 / (value or _TINY)


def _mean_and_squared_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and its squared standard error; exactly 0 where all values are the same."""
    count = len(values)
    if min(values) == max(values):
        return values[0], 0.0
    mean = math.fsum(values) / count
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, squares / (count - 1) / count
