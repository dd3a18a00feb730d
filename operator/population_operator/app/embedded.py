"""The embedded runtime: the same loop as on Kubernetes, for one experiment, on this machine."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from population_operator.adapters.local import FileJournal, LocalFleet, RunFolder, sweep
from population_operator.api import PopulationExperiment
from population_operator.core import retention
from population_operator.core.history import History
from population_operator.core.phases import SUSPEND_REASON
from population_operator.model.entry import Entry, Phase
from population_operator.model.state import State
from population_operator.reconcile import Reconciler

KEY = "local"
INTERRUPTED = "interrupted: the same command goes on from here"

Listener = Callable[[State, History], None]


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()


@dataclass
class ListeningViews:
    """Views for one experiment: a history that grows, and somebody who looks at it."""

    listener: Listener
    history: History = field(default_factory=History)

    async def show(self, key: str, state: State, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            self.history.add(entry)
        self.listener(state, self.history)


@dataclass(frozen=True)
class Program:
    """What a worker runs, and in which folder."""

    command: tuple[str, ...]
    env: dict[str, str]
    cwd: Path


class EmbeddedRun:
    """One experiment in one folder, from wherever its journal stands to its end.

    The journal's lock is held from creation to `close`, so a second process on the same folder is
    refused at once.
    """

    def __init__(self, experiment: PopulationExperiment, folder: RunFolder) -> None:
        self._folder = folder
        self._journal = FileJournal(folder.journal)
        self._given = experiment
        self._wake = asyncio.Event()
        self._interrupted = False
        self._fleet: LocalFleet | None = None
        self.state = State()

    def close(self) -> None:
        self._journal.close()

    async def known(self) -> tuple[Entry, ...]:
        """What the journal holds already."""
        return await self._journal.load(KEY)

    def interrupt(self) -> None:
        """Suspend: end the workers, keep everything, and return from `run`."""
        self._interrupted = True
        self._wake.set()

    def starting(self) -> frozenset[str]:
        """The workers whose programs run, but have not come to speak to us: they import, mostly."""
        return self._fleet.starting() if self._fleet else frozenset()

    async def run(self, program: Program, listener: Listener) -> tuple[State, History]:
        """Reconcile until the experiment has ended, is suspended, or was interrupted."""
        entries = await self.known()
        experiment = self._identified(entries)
        uid = experiment.metadata.uid
        await asyncio.to_thread(self._folder.claim, uid)
        credentials = self._folder.prepare(uid)
        views = ListeningViews(listener)
        for entry in entries:
            views.history.add(entry)
        fleet = self._fleet = LocalFleet(
            self._folder,
            program.command,
            program.env,
            program.cwd,
            credentials,
            self._wake.set,
            inherited=_open(views.history.state),
        )
        reconciler = Reconciler(self._journal, fleet, views, WallClock())
        handlers = self._listen_to_signals()
        try:
            while not self._done():
                self._wake.clear()
                current = self._suspended(experiment) if self._interrupted else experiment
                deadline = await reconciler.reconcile(KEY, current)
                self.state = reconciler.states[KEY]
                if not self._done():
                    await self._sleep(deadline)
        finally:
            for number in handlers:
                asyncio.get_running_loop().remove_signal_handler(number)
            await fleet.close()
        await self.tidy(self.state)
        return self.state, views.history

    async def tidy(self, state: State) -> None:
        """After the end: delete the checkpoints that are not kept and that no worker deleted.

        A worker does most of it. It may have had no time for that, or have been killed; and
        whoever interrupts has waited long enough.

        Raises:
          JournalInUseError: a process of an earlier run does not end.
        """
        if not state.phase.ended:
            return
        uid = state.spec.metadata.uid
        await asyncio.to_thread(self._folder.claim, uid)
        keep = retention.retained(state)
        await asyncio.to_thread(sweep, self._folder.checkpoints(uid), keep)

    def _done(self) -> bool:
        state = self.state
        return (
            state.cleaned_up
            or state.phase is Phase.SUSPENDED
            or (self._interrupted and state.phase.ended)
        )

    async def _sleep(self, deadline: float | None) -> None:
        """Until something happens, or the deadline, or a second for the display."""
        wait = 1.0 if deadline is None else min(1.0, max(0.0, deadline - time.time()))
        try:
            await asyncio.wait_for(self._wake.wait(), wait)
        except TimeoutError:
            return

    def _identified(self, entries: tuple[Entry, ...]) -> PopulationExperiment:
        """The experiment under the uid that it has in its journal, or a new one."""
        known = next(
            (
                e.experiment.metadata.uid
                for entry in entries
                for e in entry.observed
                if e.kind == "spec"
            ),
            "",
        )
        metadata = self._given.metadata.model_copy(update={"uid": known or str(uuid.uuid4())})
        return self._given.model_copy(update={"metadata": metadata})

    @staticmethod
    def _suspended(experiment: PopulationExperiment) -> PopulationExperiment:
        spec = experiment.spec.model_copy(update={"suspend": True})
        annotations = {**experiment.metadata.annotations, SUSPEND_REASON: INTERRUPTED}
        metadata = experiment.metadata.model_copy(update={"annotations": annotations})
        return experiment.model_copy(update={"spec": spec, "metadata": metadata})

    def _listen_to_signals(self) -> tuple[signal.Signals, ...]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            asyncio.get_running_loop().add_signal_handler(number, self.interrupt)
        return numbers


def _open(state: State) -> tuple[tuple[str, int], ...]:
    """Incarnations that a controller before this one saw running."""
    return tuple((w.name, w.incarnation) for w in state.workers.values() if w.open and w.uid)
