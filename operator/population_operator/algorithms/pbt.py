"""Population based training (Jaderberg et al., arXiv 1711.09846, algorithm 1).

Every `interval` steps a member is compared with the population. Where it is found wanting, it
copies a better member's weights *and* hyperparameters (exploit, see `exploit.py`) and then moves
the hyperparameters (explore, see `explore.py`); else it goes on as it is.

Who is compared (see `field.py` for the order, NaN and ties):

- synchronous: the members of one interval, by their latest reports;
- asynchronous, the paper's mode: each ready member by its latest report against every other
  member's latest good one, whatever its step. Several that are ready at once are answered against
  the same state: a donor that is itself exploited in this batch still donates the checkpoint that
  was compared, which exists already and is pinned.

Baselines are compared and copied from, and never changed: what PBT makes of the population can be
read against them.
"""

from __future__ import annotations

from collections.abc import Iterator

from population_operator.algorithms.answers import answering, keep
from population_operator.algorithms.exploit import exploit_of, ordinal
from population_operator.algorithms.explore import explore
from population_operator.algorithms.field import Contender, Field, facing, of_latest_good, of_round
from population_operator.algorithms.start import start
from population_operator.api import PopulationExperiment
from population_operator.api.algorithm import Pbt
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.key import Key
from population_operator.model.state import Member, State


class PopulationBasedTraining:
    """Exploit, then explore, by the manifest's `pbt` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Algorithm.decide`. O(N log N) for the comparison, O(N) more for each ready one."""
        block = experiment.spec.algorithm.pbt or Pbt()
        members = answering(state, ready)
        answers = tuple(
            _answer(experiment, block, member, field, key)
            for member, field in _fields(experiment, state, members)
        )
        return answers + start(experiment, state, free, key)


def _fields(
    experiment: PopulationExperiment, state: State, members: tuple[Member, ...]
) -> Iterator[tuple[Member, Field]]:
    """Each ready member with the field it is compared in."""
    if experiment.spec.schedule.synchronous:
        together = of_round(experiment, state, members)
        yield from ((member, together) for member in members)
    else:
        others = of_latest_good(experiment, state)
        yield from ((member, facing(experiment, state, member, others)) for member in members)


def _answer(
    experiment: PopulationExperiment, block: Pbt, member: Member, field: Field, key: Key
) -> Decision:
    me = next((contender for contender in field if contender.member is member), None)
    if me is None:
        return keep(member, "no report to compare; continues")
    if member.baseline:
        place = ordinal(field.index(me) + 1)
        return keep(member, f"a baseline is never changed; it ranks {place} of {len(field)}")
    rng = key.generator(member.name, member.decision.count + 1, "exploit")
    verdict = exploit_of(block.exploit)(me, field, rng)
    if verdict.donor is None:
        return keep(member, verdict.reason)
    return _copy(experiment, block, member, verdict.donor, verdict.reason, key)


def _copy(
    experiment: PopulationExperiment,
    block: Pbt,
    member: Member,
    donor: Contender,
    reason: str,
    key: Key,
) -> Decision:
    """The exploit of the very report that was compared.

    The donor's current hyperparameters are those of that report: a `continue` keeps them, and after
    an exploit of its own the donor has no good report until its next one. (The report's own
    `hyperparameters` are what the worker chose to echo, and need not be complete.)
    """
    count = member.decision.count + 1
    return Decision(
        member=member.name,
        count=count,
        kind=DecisionKind.EXPLOIT,
        hyperparameters=explore(
            experiment.spec.parameters,
            donor.member.decision.hyperparameters,
            block.explore,
            key.generator(member.name, count, "explore"),
        ),
        source=donor.report.ref,
        at_step=member.step,
        reason=reason,
    )
