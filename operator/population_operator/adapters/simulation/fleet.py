"""Workers that live in virtual time and train a synthetic program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from population_operator.adapters.simulation.clock import VirtualClock
from population_operator.adapters.simulation.program import Program, Weights
from population_operator.api import PopulationExperiment
from population_operator.core.desired import Desired
from population_operator.core.observation import Observation, PresentWorker, WorkerEvent
from population_operator.model.decision import Directive, DirectiveKind
from population_operator.model.entry import (
    Cause,
    Forgotten,
    Reported,
    RestoreFailed,
    WorkerGone,
)
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import State


@dataclass
class Process:
    """One incarnation. What it holds in memory dies with it; `fleet.checkpoints` does not."""

    worker: str
    incarnation: int
    uid: str
    directive: Directive | None = None
    holds: CheckpointRef | None = None
    weights: Weights = None
    events: list[WorkerEvent] = field(default_factory=list)
    cursor: int = 0
    started: bool = False
    alive: bool = True
    training: bool = False

    def tell(self, kind: Callable[..., WorkerEvent], **values: Any) -> None:
        self.cursor += 1
        self.events.append(
            kind(worker=self.worker, incarnation=self.incarnation, cursor=self.cursor, **values)
        )


class SimulatedFleet:
    """Speaks the worker's contract in virtual time.

    Args:
      clock: where starts and intervals take their time.
      program: what is trained.
      seconds_per_step: by worker's name, or one for all.
      start_seconds: from creation until the process runs.
      only_hyperparameters: an exploit does not move the weights. For showing what that costs.
    """

    def __init__(
        self,
        clock: VirtualClock,
        program: Program,
        seconds_per_step: float | Mapping[str, float] = 0.01,
        start_seconds: float = 1.0,
        only_hyperparameters: bool = False,
    ) -> None:
        self._clock = clock
        self._program = program
        self._pace = seconds_per_step
        self._start_seconds = start_seconds
        self._only_hyperparameters = only_hyperparameters
        self.checkpoints: dict[CheckpointRef, tuple[Weights, Report | None]] = {}
        self.processes: dict[tuple[str, int], Process] = {}
        self.causes: dict[tuple[str, int], WorkerGone] = {}
        self.created = 0
        self.loads = 0

    # --- the port ---

    async def observe(self, key: str, experiment: PopulationExperiment) -> Observation:
        alive = [p for p in self.processes.values() if p.alive]
        return Observation(
            experiment=experiment,
            present=tuple(PresentWorker(p.worker, p.incarnation, p.uid, p.started) for p in alive),
            gone=tuple(self.causes.values()),
            events=tuple(event for p in alive for event in p.events),
        )

    async def listen(self, key: str, desired: Desired, state: State) -> None:
        """Reports are not lost, and nobody has to be asked."""

    async def apply(self, key: str, desired: Desired, state: State) -> None:
        wanted = {(w.worker, w.incarnation): w for w in desired.workers}
        for at in [at for at in self.processes if at not in wanted]:
            self.processes.pop(at).alive = False
            self.causes.pop(at, None)
        for at, worker in wanted.items():
            if not worker.uid and at not in self.processes:
                self._create(worker.worker, worker.incarnation, worker.directive)
            process = self.processes.get(at)
            if process is None or not process.alive:
                continue
            process.events = [e for e in process.events if e.cursor > worker.cursor]
            if process.started and worker.directive is not None:
                self._receive(process, worker.directive)

    # --- faults ---

    def kill(self, worker: str, cause: Cause = Cause.EXITED, detail: str = "killed") -> bool:
        """End the slot's current process, if it has one. What it told and nobody heard is lost."""
        alive = [p for p in self.processes.values() if p.worker == worker and p.alive]
        for process in alive:
            process.alive = False
            self.causes[process.worker, process.incarnation] = WorkerGone(
                worker=worker, incarnation=process.incarnation, cause=cause, detail=detail
            )
        return bool(alive)

    def lose_all(self) -> None:
        """Every process is gone without a trace, as when the machine was switched off."""
        for process in self.processes.values():
            process.alive = False
        self.processes.clear()
        self.causes.clear()

    def corrupt(self, ref: CheckpointRef) -> None:
        """The checkpoint's bytes are not what its manifest says any more."""
        self.checkpoints.pop(ref, None)

    # --- a worker's life ---

    def _create(self, worker: str, incarnation: int, directive: Directive | None) -> None:
        self.created += 1
        process = Process(worker, incarnation, uid=f"{worker}-{incarnation}-{self.created}")
        self.processes[worker, incarnation] = process
        self._clock.after(self._start_seconds, lambda: self._started(process, directive))

    def _started(self, process: Process, directive: Directive | None) -> None:
        process.started = True
        if process.alive and directive is not None:
            self._receive(process, directive)

    def _receive(self, process: Process, directive: Directive) -> None:
        told, held = process.cursor, process.directive
        if held is None or directive.id > held.id:
            process.directive = directive
            if not process.training:
                self._enter(process, directive)
        if directive.forget and not process.events:
            self._forget(process, directive)
        if process.cursor > told:
            self._clock.after(0.0, lambda: None)  # Somebody has to come and listen.

    def _forget(self, process: Process, directive: Directive) -> None:
        for item in directive.forget:
            for ref in [r for r in self.checkpoints if r.member == item.member]:
                if ref.directive == item.directive and ref.step not in item.keep:
                    del self.checkpoints[ref]
        process.tell(Forgotten, forgotten=directive.forget)

    def _enter(self, process: Process, directive: Directive) -> None:
        """Restore what the directive says, then train until it is due."""
        found = [
            ref
            for ref in self.checkpoints
            if ref.member == directive.member
            and ref.directive in (directive.id, *directive.resumes)
        ]
        ref = max(found, key=lambda r: r.step, default=directive.restore)
        if ref is None:
            process.weights = self._program.start(directive.hyperparameters, directive.seed)
            step = 0
        elif ref not in self.checkpoints:
            process.holds = None
            process.tell(
                RestoreFailed,
                directive=directive.id,
                member=directive.member,
                checkpoint=ref,
                reason="the checkpoint is missing",
            )
            return
        else:
            step = ref.step
            self._restore(process, directive, ref)
            report = self.checkpoints[ref][1]
            if found and report is not None:
                process.tell(Reported, report=report)
                if step >= directive.until:
                    return
        process.training = True
        pace = self._pace if isinstance(self._pace, float | int) else self._pace[process.worker]
        self._clock.after(
            (directive.until - step) * pace, lambda: self._finish(process, directive, step)
        )

    def _restore(self, process: Process, directive: Directive, ref: CheckpointRef) -> None:
        moves = directive.kind is not DirectiveKind.EXPLOIT or not self._only_hyperparameters
        if process.holds == ref:
            return
        self.loads += 1
        if moves or ref.member == directive.member:
            process.weights, process.holds = self.checkpoints[ref][0], ref
            return
        process.holds = None
        own = [r for r in self.checkpoints if r.member == directive.member]
        process.weights = self.checkpoints[max(own, key=lambda r: (r.directive, r.step))][0]

    def _finish(self, process: Process, directive: Directive, step: int) -> None:
        if not process.alive:
            return
        process.training = False
        process.weights, score = self._program.train(
            process.weights, directive.hyperparameters, step, directive.until, directive.seed
        )
        report = Report(
            directive=directive.id,
            member=directive.member,
            step=directive.until,
            score=score,
            hyperparameters=directive.hyperparameters,
        )
        process.holds = report.ref
        self.checkpoints[report.ref] = (process.weights, report)
        process.tell(Reported, report=report)
        if process.directive is not None and process.directive.id != directive.id:
            self._enter(process, process.directive)
