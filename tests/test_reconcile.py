"""The loop: whatever dies between two of its lines, everything is decided once and acted upon.

Real: the loop, the core, the JSON of the journal. Simulated: time, processes, the volume. Each port
can be made to fail at one of its calls, before it has done its work or after.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from population_operator.adapters.simulation import MemoryViews
from population_operator.api import PopulationExperiment
from population_operator.app.simulate import KEY, Simulation, at_once
from population_operator.core.deadlines import next_deadline
from population_operator.core.verify import verify
from population_operator.model.decision import Decision
from population_operator.model.entry import Decided, Entry, Phase
from population_operator.model.state import State
from population_operator.ports import ConflictError, JournalUnavailableError
from population_operator.reconcile import Reconciler, in_thread
from tests.builders import an_experiment
from tests.conformance.loop import ticking
from tests.simulation.invariants import assert_sound
from tests.simulation.programs import Climb

EXPERIMENT = an_experiment().size(3, parallelism=2).synchronous().steps(2, 8).truncation(0.34)


class Died(Exception):
    """Something ended here, at a line that nobody expected to be the last."""


@dataclass
class Failing:
    """Passes everything on, but for the call with number `at` of `method`, which fails.

    `before` says whether it fails before it has done anything, or after.
    """

    inner: Any
    method: str = ""
    at: int = -1
    before: bool = True
    error: Callable[[], Exception] = Died
    calls: dict[str, int] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            count = self.calls[name] = self.calls.get(name, 0) + 1
            fails = name == self.method and count == self.at
            if fails and self.before:
                raise self.error()
            answer = await getattr(self.inner, name)(*arguments)
            if fails:
                raise self.error()
            return answer

        return call


@dataclass
class Loop:
    """A simulation whose ports can fail; `step` is one pass, and what comes of it."""

    experiment: PopulationExperiment
    failing: dict[str, Failing]
    simulation: Simulation
    views: MemoryViews = field(default_factory=MemoryViews)
    deaths: int = 0

    @classmethod
    def of(cls, port: str = "", **failure: Any) -> Loop:
        experiment = EXPERIMENT.build()
        simulation = Simulation.of(experiment, Climb(), as_text=True)
        loop = cls(experiment, {}, simulation)
        inner = {
            "journal": simulation.journal,
            "fleet": simulation.fleet,
            "views": loop.views,
        }
        loop.failing = {
            name: Failing(it, **(failure if name == port else {})) for name, it in inner.items()
        }
        loop.restart()
        return loop

    def restart(self) -> None:
        """The operator starts again, knowing nothing."""
        ports = self.failing
        self.simulation.reconciler = Reconciler(
            ports["journal"],  # type: ignore[arg-type]
            ports["fleet"],  # type: ignore[arg-type]
            ports["views"],  # type: ignore[arg-type]
            self.simulation.clock,
            decide=at_once,
        )

    @property
    def state(self) -> State:
        return self.simulation.state

    async def run(self, restarts: bool) -> tuple[Entry, ...]:
        """To the end. After a failure the same operator goes on, or a new one."""
        for _ in range(500):
            try:
                deadline = await self.simulation.reconciler.reconcile(KEY, self.experiment)
            except (Died, JournalUnavailableError, ConflictError):
                self.deaths += 1
                if restarts:
                    self.restart()
                self.simulation.clock.advance(self.simulation.clock.now() + 0.001)
                continue
            assert_sound(self.state)
            if self.state.cleaned_up:
                return await self.simulation.entries()
            self.simulation.clock.advance(deadline)
        raise AssertionError(f"not over: {self.state}")


def decisions(entries: tuple[Entry, ...]) -> list[Decision]:
    return [e.decision for entry in entries for e in entry.decided if isinstance(e, Decided)]


def told(entries: tuple[Entry, ...]) -> list[tuple[Any, ...]]:
    """Decisions without the numbers of directives, which a detour may shift."""
    return [
        (d.id, d.kind, d.hyperparameters, d.source and (d.source.member, d.source.step))
        for d in decisions(entries)
    ]


@pytest.fixture(scope="module")
def undisturbed() -> tuple[Entry, ...]:
    return asyncio.run(Loop.of().run(restarts=False))


def places() -> list[Any]:
    """Each method of each port; and how often it is called at least, on the way to the end."""
    methods = (
        ("journal", "append", 10),
        ("journal", "load", 1),
        ("fleet", "observe", 12),
        ("fleet", "apply", 12),
        ("views", "show", 12),
    )
    return [
        pytest.param(*method, before, id=f"{'before' if before else 'after'} {method[1]}")
        for method in methods
        for before in (True, False)
    ]


@pytest.mark.parametrize("restarts", [True, False], ids=["restarted", "goes on"])
@pytest.mark.parametrize(("port", "method", "least", "before"), places())
def test_dying_anywhere_changes_nothing(
    undisturbed: tuple[Entry, ...],
    port: str,
    method: str,
    least: int,
    before: bool,
    restarts: bool,
) -> None:
    for at in itertools.count(1):
        loop = Loop.of(port, method=method, at=at, before=before)
        entries = asyncio.run(loop.run(restarts))
        assert told(entries) == told(undisturbed), at
        assert verify(entries).divergence is None, at
        assert [e.seq for e in entries] == list(range(1, len(entries) + 1)), at
        if loop.deaths == 0:
            break
    assert at > least


@pytest.mark.parametrize("before", [True, False])
def test_a_journal_that_is_away_for_a_while(undisturbed: tuple[Entry, ...], before: bool) -> None:
    """Whether the entry was written is not known: the journal itself will tell."""
    for at in range(1, 20):
        loop = Loop.of(
            "journal",
            method="append",
            at=at,
            before=before,
            error=lambda: JournalUnavailableError("away"),
        )
        entries = asyncio.run(loop.run(restarts=False))
        assert told(entries) == told(undisturbed), at
        assert verify(entries).divergence is None


def away() -> Exception:
    return JournalUnavailableError("away")


def newer() -> Exception:
    return ConflictError("newer")


@pytest.mark.parametrize(
    ("port", "error", "before"),
    [
        ("journal", Died, True),
        ("journal", away, True),
        ("journal", away, False),
        ("fleet", Died, True),
        ("fleet", newer, True),
        ("views", Died, True),
    ],
)
def test_the_views_are_shown_every_entry_in_order(
    port: str, error: Callable[[], Exception], before: bool
) -> None:
    """Also those of a pass that died before it came to that."""
    method = {"journal": "append", "fleet": "apply", "views": "show"}[port]
    for at in range(1, 20):
        loop = Loop.of(port, method=method, at=at, before=before, error=error)
        entries = asyncio.run(loop.run(restarts=False))
        assert tuple(loop.views.entries[KEY]) == entries, at


# --- two writers ---


async def two(turns: str) -> tuple[Loop, list[MemoryViews]]:
    """Two operators, a and b, on the same journal and the same world, in this order."""
    loop = Loop.of()
    simulation = loop.simulation
    views = [MemoryViews(), MemoryViews()]
    operators = [
        Reconciler(simulation.journal, simulation.fleet, view, simulation.clock, decide=at_once)
        for view in views
    ]
    for _ in range(300):
        for name in turns:
            operator = operators["ab".index(name)]
            await operator.reconcile(KEY, loop.experiment)
            assert_sound(operator.states[KEY])
        if all(o.states[KEY].cleaned_up for o in operators if KEY in o.states):
            return loop, views
        deadline = next_deadline(operators[0].states[KEY], simulation.clock.now())
        simulation.clock.advance(deadline)
    raise AssertionError("not over")


@pytest.mark.parametrize("turns", ["ab", "ba", "aab", "abba"])
def test_two_operators_decide_as_one(undisturbed: tuple[Entry, ...], turns: str) -> None:
    loop, _ = asyncio.run(two(turns))
    entries = asyncio.run(loop.simulation.entries())
    assert told(entries) == told(undisturbed)
    assert verify(entries).divergence is None
    ids = [d.id for d in decisions(entries)]
    assert len(ids) == len(set(ids)), "nothing is decided twice"
    assert loop.simulation.fleet.created == 2, "and nothing is started twice"


def test_who_loses_the_race_reads_again_and_shows_what_the_other_wrote() -> None:
    async def run() -> None:
        loop = Loop.of()
        simulation = loop.simulation
        slow_views = MemoryViews()
        fast = Reconciler(
            simulation.journal, simulation.fleet, MemoryViews(), simulation.clock, decide=at_once
        )
        conflicts = 0

        async def decide_slowly(state: State, observation: Any, now: float) -> Entry | None:
            """While this one thinks, the other one acts."""
            nonlocal conflicts
            entry = await at_once(state, observation, now)
            if entry is not None:
                await fast.reconcile(KEY, loop.experiment)
                conflicts += 1
            return entry

        slow = Reconciler(
            simulation.journal, simulation.fleet, slow_views, simulation.clock, decide=decide_slowly
        )
        for _ in range(300):
            deadline = await slow.reconcile(KEY, loop.experiment)
            if slow.states[KEY].cleaned_up:
                break
            simulation.clock.advance(deadline)
        entries = await simulation.entries()
        assert conflicts > 3
        assert slow.states[KEY].phase is Phase.COMPLETE
        assert tuple(slow_views.entries[KEY])[-1] == entries[-1]
        assert tuple(slow_views.entries[KEY]) == entries
        assert verify(entries).divergence is None

    asyncio.run(run())


def test_a_world_that_is_ahead_of_the_state_makes_it_read_again() -> None:
    """The fleet met something newer than the state it was given: another operator is at work."""

    async def run() -> None:
        loop = Loop.of("fleet", method="apply", at=3, error=lambda: ConflictError("newer"))
        reconciler = loop.simulation.reconciler
        for _ in range(100):
            try:
                deadline = await reconciler.reconcile(KEY, loop.experiment)
                loop.simulation.clock.advance(deadline)
            except ConflictError:
                break
        loads = loop.failing["journal"].calls["load"]
        await reconciler.reconcile(KEY, loop.experiment)
        assert loop.failing["journal"].calls["load"] == loads + 1

    asyncio.run(run())


# --- what a pass costs, and when to come back ---


def test_the_journal_is_read_once() -> None:
    loop = Loop.of()
    asyncio.run(loop.run(restarts=False))
    assert loop.failing["journal"].calls["load"] == 1


def test_a_pass_without_news_writes_nothing_and_acts_again_all_the_same() -> None:
    async def run() -> None:
        loop = Loop.of()
        for _ in range(3):
            await loop.simulation.reconciler.reconcile(KEY, loop.experiment)
        written = loop.failing["journal"].calls["append"]
        acted = loop.failing["fleet"].calls["apply"]
        for _ in range(5):
            await loop.simulation.reconciler.reconcile(KEY, loop.experiment)
        assert loop.failing["journal"].calls["append"] == written
        assert loop.failing["fleet"].calls["apply"] == acted + 5
        assert loop.simulation.fleet.created == 2

    asyncio.run(run())


def test_it_never_asks_to_come_back_in_the_past() -> None:
    """That would be a loop without a pause: a waiting time that is over, and no free worker."""

    async def run() -> None:
        loop = Loop.of()
        simulation = loop.simulation
        for number in range(200):
            if number == 6:
                simulation.fleet.kill("w0")
            deadline = await simulation.reconciler.reconcile(KEY, loop.experiment)
            assert deadline is None or deadline > simulation.clock.now()
            if simulation.state.cleaned_up:
                return
            simulation.clock.advance(deadline)

    asyncio.run(run())


def test_deciding_in_a_thread_leaves_the_loop_free() -> None:
    async def run() -> None:
        loop = Loop.of()
        reconciler = loop.simulation.reconciler
        reconciler.decide = in_thread
        with ticking() as ticks:
            await reconciler.reconcile(KEY, loop.experiment)
        assert len(ticks) > 3
        assert reconciler.states[KEY].phase is Phase.RUNNING

    asyncio.run(run())


def test_reading_again_leaves_the_loop_free() -> None:
    """The journal of a long experiment takes seconds to add up."""

    async def run() -> None:
        loop = Loop.of()
        reconciler = loop.simulation.reconciler
        await reconciler.reconcile(KEY, loop.experiment)
        before = reconciler.states[KEY]
        reconciler.forget(KEY)
        with ticking() as ticks:
            assert await reconciler.load(KEY) == before
            assert ticks

    asyncio.run(run())


def test_what_is_forgotten_is_read_again() -> None:
    async def run() -> None:
        loop = Loop.of()
        reconciler = loop.simulation.reconciler
        for _ in range(3):
            await reconciler.reconcile(KEY, loop.experiment)
        before = reconciler.states[KEY]
        reconciler.forget(KEY)
        reconciler.forget("never heard of")
        await reconciler.reconcile(KEY, loop.experiment)
        assert reconciler.states[KEY] == before

    asyncio.run(run())


def test_a_new_operator_listens_before_it_looks() -> None:
    """What workers had to say while there was none is heard before anybody is judged."""
    loop = Loop.of()
    calls: list[str] = []

    async def run() -> None:
        for _ in range(2):
            await loop.simulation.reconciler.reconcile(KEY, loop.experiment)
        inner = loop.failing["fleet"].inner

        class Noted:
            def __getattr__(self, name: str) -> Any:
                calls.append(name)
                return getattr(inner, name)

        loop.failing["fleet"].inner = Noted()
        loop.restart()
        for _ in range(2):
            await loop.simulation.reconciler.reconcile(KEY, loop.experiment)

    asyncio.run(run())
    assert calls[:2] == ["listen", "observe"]
    assert calls.count("listen") == 1
