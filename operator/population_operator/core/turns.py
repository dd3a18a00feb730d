"""Turns: which member trains on which worker, and how many workers there should be.

Fewer workers than members is normal (`parallelism`, or fewer GPUs than asked for): a worker that
finished an interval is handed another member without a restart.
"""

from __future__ import annotations

from population_operator.core.directives import finished
from population_operator.core.failure import exhausted
from population_operator.core.trials import wanted_workers
from population_operator.model.entry import Follows, Issued, Phase, WorkerClosed, WorkerOpened
from population_operator.model.state import Member, State, Worker, worker_name

PATIENCE = 10.0
"""Seconds that a member waits for a worker to start while another one has nothing to do."""


def turns(state: State) -> tuple[Follows, ...]:
    """Put waiting members on idle workers; open and close slots so that there are enough."""
    if state.phase is not Phase.RUNNING:
        return ()
    training = [m for m in state.population if not finished(m, state.spec.spec.schedule)]
    waiting = [m for m in training if runnable(state, m)]
    resting = [w for w in _by_name(state) if w.open and _idle(state, w)]
    cold = [w for w in resting if not w.warm]
    idle = sorted((w for w in resting if w.warm), key=lambda w: not w.started)
    wanted = wanted_workers(state)
    surplus = sum(w.open for w in state.workers.values()) - len(cold) - wanted

    closed = frozenset(w.name for w in cold)
    opened = _openable(state, min(-surplus, len(waiting) - len(idle)), closed)
    pairs = pair([*idle, *opened], waiting)
    taken = {worker.name for worker, _ in pairs}
    free = [worker for worker in idle if worker.name not in taken]
    moves = list(zip((w for w in free if w.started), held_up(state, training), strict=False))
    return (
        *(_closed(w, "takes no directive") for w in cold),
        *(WorkerOpened(worker=w.name, incarnation=w.incarnation) for w in opened),
        *(
            Issued(worker=worker.name, incarnation=worker.incarnation, member=member.name)
            for worker, member in [*pairs, *moves]
        ),
        *(_closed(w, "not needed") for w in _surplus(state, surplus, free, moves)),
    )


def _surplus(
    state: State, count: int, free: list[Worker], moves: list[tuple[Worker, Member]]
) -> list[Worker]:
    """Up to `count` workers to close: those that have not started first.

    One that has started stays as long as a member waits for one that has not.
    """
    left = [state.workers[member.worker] for _, member in moves if member.worker]
    busy = {worker.name for worker, _ in moves}
    pending = [
        w for w in state.workers.values() if pending_until(state, w) is not None and w not in left
    ]
    idle = [w for w in reversed(free) if w.name not in busy and (not w.started or not pending)]
    return [*left, *idle][: max(count, 0)]


def pending_until(state: State, worker: Worker) -> float | None:
    """When a member stops waiting for the worker to start, if there is another that is idle."""
    waits = worker.open and not worker.started and worker.member is not None
    return worker.opened_at + PATIENCE if waits else None


def held_up(state: State, training: list[Member]) -> list[Member]:
    """Members on workers that do not start: fewer GPUs were granted than asked for."""
    late = []
    for member in training:
        limit = pending_until(state, state.workers[member.worker]) if member.worker else None
        if limit is not None and state.time >= limit:
            late.append(member)
    return late


def pair(idle: list[Worker], waiting: list[Member]) -> list[tuple[Worker, Member]]:
    """Members to workers: the least trained first, and each where its state is in memory.

    Who comes first is decided by training done, so that nobody starves; a trial's turn, by how
    long it has waited. Among equals, a member that an idle worker holds goes first, as it costs no
    load.
    """
    holder = {w.holds: w for w in idle if w.holds is not None}

    def held_by(member: Member) -> Worker | None:
        source = member.decision.source
        if source is None or source.member != member.name:
            return None
        return holder.get(source)

    def urgency(member: Member) -> tuple[float, bool, float, int]:
        first = member.waiting_since if member.trial else member.step
        return first, held_by(member) is None, member.waiting_since, member.index

    first = sorted(waiting, key=urgency)[: len(idle)]
    places = {worker.name: m for m in first if (worker := held_by(m)) is not None}
    placed = {member.name for member in places.values()}
    rest = iter([member for member in first if member.name not in placed])
    pairs = ((worker, places.get(worker.name) or next(rest, None)) for worker in idle)
    return [(worker, member) for worker, member in pairs if member is not None]


def runnable(state: State, member: Member) -> bool:
    """Whether the member, which has not finished, may be put on a worker now."""
    return (
        member.worker is None
        and not member.reported
        and member.not_before <= state.time
        and not exhausted(state, member)
    )


def _idle(state: State, worker: Worker) -> bool:
    member = state.members.get(worker.member) if worker.member else None
    return member is None or member.reported


def _by_name(state: State) -> list[Worker]:
    return sorted(state.workers.values(), key=lambda w: (len(w.name), w.name))


def _openable(state: State, count: int, closed: frozenset[str]) -> list[Worker]:
    """The next incarnations of up to `count` slots that are closed, or just were; lowest first."""
    found: list[Worker] = []
    for index in range(state.spec.spec.population.workers):
        if len(found) >= count:
            break
        name = worker_name(index)
        known = state.workers.get(name, Worker(name=name))
        is_open = known.open and name not in closed
        if not is_open and known.not_before <= state.time:
            found.append(Worker(name=name, incarnation=known.incarnation + 1, open=True))
    return found


def _closed(worker: Worker, reason: str) -> WorkerClosed:
    return WorkerClosed(worker=worker.name, incarnation=worker.incarnation, reason=reason)
