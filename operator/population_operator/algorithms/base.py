"""What an algorithm is: one pure function of the fold."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

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


class Plan(NamedTuple):
    """What a bandit is going to do.

    `trials` is how many start in all, none where only the time is limited. `rungs` are the steps at
    which trials report and may end, ascending up to `maxSteps`; empty where all are trained to it,
    whatever they come to, and report at each interval.
    """

    trials: int | None
    rungs: tuple[int, ...]


@runtime_checkable
class Bandit(Algorithm, Protocol):
    """An algorithm whose members are trials: each keeps its hyperparameters, and ends by itself.

    Its decisions say on which `rung` of which `bracket` the trial is, and `until` which step it
    trains. `decide` differs from that of other algorithms:

    - `ready` are all trials that wait at the end of a rung. It may answer only some of them: a
      PROMOTE goes on to a larger budget, a STOP ends the trial; the others wait on, without a
      worker.
    - `free` counts the workers that have nothing to do. A trial that goes on takes one of them, so
      there are at most `free` new trials less those. Names are never used again: the next trial's
      index is the number of trials so far.
    """

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """An upper bound of the trials that will train at once from now on; 0: it is over.

        Never grows while an experiment runs, unless its manifest does: workers beyond it are
        released.
        """
        ...

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """How many trials it starts, and how far it trains them."""
        ...


class MissingLibrary(RuntimeError):
    """An algorithm needs a library that is not installed."""

    def __init__(self, algorithm: str, library: str, extra: str) -> None:
        install = f"pip install 'population-operator[{extra}]'"
        super().__init__(f"spec.algorithm.{algorithm}: needs {library}: {install}")
