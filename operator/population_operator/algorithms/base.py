"""What an algorithm is: one pure function of the fold."""

from __future__ import annotations

from typing import Protocol

from population_operator.api import PopulationExperiment
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.state import State


class Algorithm(Protocol):
    """Answers for the members that reported, and says which members to add.

    Pure: the same arguments give the same answer; nothing is kept between two calls, so a restart
    needs nothing but the journal.
    """

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """Decisions for every member in `ready`, and for at most `free` new members.

        Args:
          experiment: what the user asked for.
          state: the fold, with the reports of the ready members in it (`Member.latest`).
          ready: names of unfinished members that finished their interval and wait for an answer,
            by index. In synchronous mode these are all members at the same interval; in
            asynchronous mode whoever reported.
          free: how many members may be added.
          key: the root of random numbers; draws are keyed by member and decision count.

        Returns:
          one decision for each ready member, by index, then the new members' by index. A decision's
          `count` is the member's last count + 1 (1 for a new member).
        """
        ...
