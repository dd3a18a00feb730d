"""Rung tables: how many trials a bracket has on each rung, and to which step they train there.

Whole numbers only, so that no logarithm is off by a last bit. With R = `maxSteps`, r = `interval`
(the smallest budget) and eta, a bracket of s halvings has rungs i = 0 .. s with

    n_i = floor(n_s eta^-i)  trials  that train to step  r_i = floor(R eta^(i - s)),

never less than r. The last rung is always R.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

from population_operator.api.trials import Rounding


@dataclass(frozen=True)
class Bracket:
    """One bracket of successive halving.

    `first` is the index of its first trial; `sizes` and `steps` have an entry for each rung. The
    first of `sizes` is how many trials it starts; the others, how many enter each rung at most.
    """

    number: int
    first: int
    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def last(self) -> int:
        """The number of the rung that ends at `maxSteps`."""
        return len(self.steps) - 1

    @property
    def end(self) -> int:
        """The index after its last trial's."""
        return self.first + self.sizes[0]


def most_halvings(steps: int, interval: int, eta: int) -> int:
    """s_max: the largest s with interval x eta^s <= steps.

    >>> most_halvings(243, 1, 3), most_halvings(242, 1, 3), most_halvings(81, 3, 3)
    (5, 4, 3)
    """
    halvings = 0
    while interval * eta ** (halvings + 1) <= steps:
        halvings += 1
    return halvings


def rung_steps(steps: int, interval: int, eta: int, halvings: int) -> tuple[int, ...]:
    """Where the rungs end: R eta^(i - s), rounded down, for i = 0 .. s.

    >>> rung_steps(81, 1, 3, 4), rung_steps(100, 1, 3, 4)
    ((1, 3, 9, 27, 81), (1, 3, 11, 33, 100))
    """
    return tuple(max(steps // eta ** (halvings - rung), interval) for rung in range(halvings + 1))


def halved(trials: int, eta: int, halvings: int) -> tuple[int, ...]:
    """How many enter each rung: floor(n eta^-i), at least one."""
    return tuple(max(trials // eta**rung, 1) for rung in range(halvings + 1))


def one_bracket(trials: int, steps: int, interval: int, eta: int) -> Bracket:
    """Successive halving of so many trials (arXiv 1810.05934, algorithm 1, with s = 0).

    There are no more halvings than the trials allow: the last rung, which has at least one trial,
    ends at `maxSteps`.

    >>> one_bracket(9, 81, 1, 3)
    Bracket(number=0, first=0, sizes=(9, 3, 1), steps=(9, 27, 81))
    """
    halvings = most_halvings(steps, interval, eta)
    while eta**halvings > trials:
        halvings -= 1
    sizes = halved(trials, eta, halvings)
    return Bracket(0, 0, sizes, rung_steps(steps, interval, eta, halvings))


def all_brackets(
    steps: int, interval: int, eta: int, rounding: Rounding, trials: int | None = None
) -> tuple[Bracket, ...]:
    """The brackets of Hyperband in order (JMLR 18, 2018, algorithm 1): s = s_max .. 0.

    n_s = ceil((s_max + 1) eta^s / (s + 1)), or hpbandster's floor((s_max + 1) / (s + 1)) eta^s.
    With `trials`, the sequence is repeated, and its last bracket cut, so that there are so many.

    >>> [b.sizes for b in all_brackets(81, 1, 3, Rounding.UP)]
    [(81, 27, 9, 3, 1), (34, 11, 3, 1), (15, 5, 1), (8, 2), (5,)]
    >>> [b.sizes[0] for b in all_brackets(81, 1, 3, Rounding.DOWN)]
    [81, 27, 9, 6, 5]
    """
    most = most_halvings(steps, interval, eta)
    once = range(most, -1, -1)
    found: list[Bracket] = []
    first = 0
    for halvings in once if trials is None else cycle(once):
        if rounding is Rounding.UP:
            count = -(-(most + 1) * eta**halvings // (halvings + 1))
        else:
            count = (most + 1) // (halvings + 1) * eta**halvings
        if trials is not None:
            count = min(count, trials - first)
        if count <= 0:
            break
        sizes = halved(count, eta, halvings)
        found.append(Bracket(len(found), first, sizes, rung_steps(steps, interval, eta, halvings)))
        first += count
    return tuple(found)
