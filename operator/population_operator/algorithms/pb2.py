"""Population based bandits: PBT whose explore is a time-varying Gaussian process bandit.

Parker-Holder, Nguyen, Roberts, Provably Efficient Online Hyperparameter Optimization with
Population-Based Bandits, arXiv 2002.02518, algorithm 1 (PB2); with categories: Parker-Holder,
Nguyen, Desai, Roberts, Tuning Mixed Input Hyperparameters on the Fly for Efficient Population
Based AutoRL, arXiv 2106.15883 (PB2-Mix, PB2-Mult, PB2-Rand).

Who copies whom is decided as in PBT (`pbt.py`, `exploit.py`). Where PBT perturbs what it copied,
PB2 asks a model of the score's change (`pb2_rows.py`, `gaussian_process.py`): which values, for
this interval and from the donor's score, have the highest upper confidence bound
(`pb2_acquisition.py`)?

- The model is fitted once for each decision, to the last `window` intervals of all members, and
  does not depend on the members' order.
- The exploited members of a batch are answered one after the other, by index, with keyed draws, so
  their values do depend on that order. Everybody else who trains on, and everybody answered before,
  is pending: it lowers the variance where it stands, and has no label.
- Categories are drawn before the numbers: by time-varying EXP3.M (`exp3m.py`), or evenly (`rand`).
  The numbers depend on them through the mixed kernel (`mix`), through a model of only the rows with
  those categories (`mult`), or not at all (`rand`).
- A parameter that is not `mutable` stays the donor's; one that is active only now takes part like
  any other (a fixed one is drawn); one that is not active any more is dropped.
- With fewer than three rows there is nothing to model: a fresh draw, as at the start.
"""

from __future__ import annotations

from collections.abc import Iterator

from population_operator.algorithms.answers import answering, keep
from population_operator.algorithms.exploit import Verdict, exploit_of, ordinal
from population_operator.algorithms.field import Contender, Field, facing, of_latest_good, of_round
from population_operator.algorithms.pb2_batch import Batch, Choice
from population_operator.algorithms.pb2_rows import Point, Rows
from population_operator.algorithms.start import start
from population_operator.api import Goal, PopulationExperiment
from population_operator.api.algorithm import Pb2
from population_operator.model.decision import Decision, DecisionKind, Expected
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.state import Member, State, next_boundary


class PopulationBasedBandits:
    """Exploit as PBT does, explore by a bandit: the manifest's `pb2` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Algorithm.decide`. O(n^3) in the rows, once, where anybody is exploited."""
        block = experiment.spec.algorithm.pb2 or Pb2()
        verdicts = {
            member.name: (member, _verdict(block, member, field, key))
            for member, field in _fields(experiment, state, answering(state, ready))
        }
        copies = [
            (member, verdict.donor, verdict.reason)
            for member, verdict in verdicts.values()
            if verdict.donor is not None
        ]
        answers = {d.member: d for d in _explored(experiment, state, block, copies, key)}
        return (
            *(answers.get(name) or keep(m, v.reason) for name, (m, v) in verdicts.items()),
            *start(experiment, state, free, key),
        )


def _fields(
    experiment: PopulationExperiment, state: State, members: tuple[Member, ...]
) -> Iterator[tuple[Member, Field]]:
    """Each ready member with the field it is compared in, as in PBT."""
    if experiment.spec.schedule.synchronous:
        together = of_round(experiment, state, members)
        yield from ((member, together) for member in members)
    else:
        others = of_latest_good(experiment, state)
        yield from ((member, facing(experiment, state, member, others)) for member in members)


def _verdict(block: Pb2, member: Member, field: Field, key: Key) -> Verdict:
    me = next((contender for contender in field if contender.member is member), None)
    if me is None:
        return Verdict(None, "no report to compare; continues")
    if member.baseline:
        place = ordinal(field.index(me) + 1)
        return Verdict(None, f"a baseline is never changed; it ranks {place} of {len(field)}")
    rng = key.generator(member.name, member.decision.count + 1, "exploit")
    return exploit_of(block.exploit)(me, field, rng)


Copies = list[tuple[Member, Contender, str]]
"""Who copies whom, and why, by the copying member's index."""


def _explored(
    experiment: PopulationExperiment, state: State, block: Pb2, copies: Copies, key: Key
) -> Iterator[Decision]:
    """An exploit for each of the copies, their values chosen one after the other."""
    if not copies:
        return
    spec = experiment.spec
    rows = Rows.of(spec.parameters, spec.objective.goal, state.transitions, block.window)
    moving = {member.name for member, _, _ in copies}
    batch = Batch(spec.parameters, block, rows, list(_pending(experiment, state, moving)))
    first, count = copies[0][0], copies[0][0].decision.count + 1
    rounds = -(-spec.schedule.max_steps // spec.schedule.interval)
    rng = key.generator(first.name, count, "categories")
    drawn = batch.categories(len(copies), len(state.members), rounds, rng)
    for (member, donor, reason), chosen in zip(copies, drawn, strict=True):
        count = member.decision.count + 1
        choice = batch.choose(
            donor.member.decision.hyperparameters,
            donor.merit,
            _interval(experiment, donor.report.step),
            chosen,
            key.generator(member.name, count, "explore"),
        )
        expected = _expected(choice, spec.objective.goal)
        yield Decision(
            member=member.name,
            count=count,
            kind=DecisionKind.EXPLOIT,
            hyperparameters=choice.values,
            source=donor.report.ref,
            at_step=member.step,
            reason=f"{reason}; {_in_words(choice, expected)}",
            expected=expected,
        )


def _pending(experiment: PopulationExperiment, state: State, moving: set[str]) -> Iterator[Point]:
    """The intervals that the members who keep their values train now, or will at once, by index."""
    goal, last = experiment.spec.objective.goal, experiment.spec.schedule.max_steps
    for member in state.population:
        position = member.position if member.reported else member.decision.source
        step = position.step if position else 0
        if member.name in moving or step >= last:
            continue
        known = member.latest if member.reported and member.latest else None
        score = known.score if known and known.directive else member.score
        yield Point(
            member.decision.hyperparameters,
            merit(goal, score) if score is not None else float("nan"),
            _interval(experiment, step),
        )


def _interval(experiment: PopulationExperiment, step: int) -> int:
    """The number of the interval that begins at a step, as `Transition.index` counts."""
    schedule = experiment.spec.schedule
    due = next_boundary(step, schedule.interval, schedule.max_steps)
    return -(-due // schedule.interval)


def _expected(choice: Choice, goal: Goal) -> Expected | None:
    if choice.expected is None:
        return None
    mean, sd = choice.expected
    return Expected(mean=mean if goal is Goal.MAXIMIZE else -mean, sd=sd, rows=choice.rows)


def _in_words(choice: Choice, expected: Expected | None) -> str:
    if expected is None:
        return f"draws its values, as {choice.rows} intervals are too few for a model"
    return (
        f"expects a change of {expected.mean:.3g} ± {expected.sd:.2g} per step"
        f" after {expected.rows} intervals"
    )
