"""What workers that ran before this operator have to say is heard before anybody is judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from population_operator.adapters.kubernetes.connection import Connection

HEARING = 3.0
"""Seconds that a new operator gives workers to say what they have to, before it judges them."""

Place = tuple[str, int]
"""A worker and its incarnation."""


class NotHeardError(Exception):
    """Workers ran before this operator did, and what they have to say has not come in yet.

    Whoever answers wakes; so does the end of the time that they have for it.
    """


@dataclass
class Hearing:
    """Whom to wait for, and until when (the loop's time)."""

    expected: set[Place] = field(default_factory=set)
    until: float = 0.0

    def begin(self, places: Iterable[Place], now: float) -> None:
        self.expected.update(places)
        self.until = now + HEARING

    def check(self, links: Mapping[Place, Connection], now: float) -> None:
        """Who has answered, or cannot, is waited for no longer.

        Raises:
          NotHeardError: some are left, and there is time.
        """
        left = {at for at in self.expected if at in links and not links[at].answered}
        self.expected = left if now < self.until else set()
        if self.expected:
            names = ", ".join(sorted(worker for worker, _ in self.expected))
            raise NotHeardError(f"{names} ran before us and were not heard yet")
