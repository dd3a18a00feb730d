"""When something becomes due without anything happening."""

from __future__ import annotations

from collections.abc import Iterator

from population_operator.core.failure import training_since
from population_operator.core.phases import CLEAN_UP_SECONDS
from population_operator.core.turns import pending_until
from population_operator.model.entry import Phase
from population_operator.model.state import State


def next_deadline(state: State, now: float) -> float | None:
    """Seconds since the epoch at which `decide` should be asked again; none: only on news.

    Args:
      now: when it was asked last: what was due by then has had its answer, if only "not yet".
    """
    asked = max(now, state.time)
    return min((at for at in _deadlines(state) if at > asked), default=None)


def _deadlines(state: State) -> Iterator[float]:
    if state.phase.ended and not state.cleaned_up:
        yield state.ended_at + CLEAN_UP_SECONDS
    if state.phase is not Phase.RUNNING:
        return
    schedule = state.spec.spec.schedule
    if schedule.max_duration is not None:
        yield state.time + max(schedule.max_duration.total_seconds() - state.active, 0.001)
    for worker in state.workers.values():
        yield worker.not_before
        if (limit := pending_until(state, worker)) is not None:
            yield limit
    for member in state.members.values():
        yield member.not_before
        since = training_since(state, member)
        if schedule.straggler_timeout is not None and since is not None:
            yield since + schedule.straggler_timeout.total_seconds()
