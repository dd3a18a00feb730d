"""The member that a worker trains: intervals, and the primitive below them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import SupportsFloat, SupportsIndex

from population_worker.callbacks import (
    Applied,
    Apply,
    Callbacks,
    Load,
    Save,
    collect_callbacks,
)
from population_worker.checkpoints import Checkpoint
from population_worker.directive import CheckpointRef, Directive
from population_worker.report import Measurement, Report, measure
from population_worker.restoring import RestoreFailed, Source
from population_worker.runtime import Runtime
from population_worker.wire import Value


class Member:
    """One member on this worker, from where it is handed over until `ended`.

    It is left when the worker is handed another member, when an immutable hyperparameter changes
    (the model must be built again), when a checkpoint cannot be restored, and at the end.
    """

    def __init__(self, runtime: Runtime, directive: Directive) -> None:
        self._runtime = runtime
        self._directive = directive
        self._callbacks = Callbacks()
        self._memory: CheckpointRef | None = None  # what the program's state is exactly
        self._step = 0
        self._is_pristine = True  # as built: nothing was loaded or trained
        self._is_restored = False
        self._was_replaced = False  # other weights were loaded within a body
        self._is_stale = False  # and the body trained on
        self._is_overrun = False  # to its interval's end
        self.ended = False
        self.following: Directive | None = None
        """The directive that ended this member; None where another one is to be waited for."""

    @property
    def name(self) -> str:
        """The member's name."""
        return self._directive.member

    @property
    def directive(self) -> Directive:
        """The directive that is trained, or is to be."""
        return self._directive

    @property
    def hyperparameters(self) -> Mapping[str, Value]:
        """What to build the model with; read-only."""
        return MappingProxyType(dict(self._directive.hyperparameters))

    @property
    def max_steps(self) -> int:
        """The step at which the experiment ends."""
        return self._directive.max_steps

    @property
    def seed(self) -> int:
        """The directive's seed, an unsigned 64 bit integer; the generators are seeded with it."""
        return self._directive.seed

    def intervals(
        self,
        state: object | None = None,
        *,
        save: Save | None = None,
        load: Load | None = None,
        apply: Apply | None = None,
        applied: Applied | None = None,
    ) -> Iterator[Interval]:
        """Yield what to train until the member ends.

        `state` is an object with (some of) the methods `save(path)`, `load(path, kind)`,
        `apply(hyperparameters)` and `applied()`; a function given by name wins over its method.
        Raises RuntimeError where an interval's body reports nothing.
        """
        step = self.restore(state, save=save, load=load, apply=apply, applied=applied)
        while step is not None:
            directive = self._directive
            self._was_replaced = self._is_stale = self._is_overrun = False
            yield Interval(self, directive, step)
            self._reenter_if_stale()
            if self.ended:
                return
            if self._directive is directive and self._step <= step:
                raise RuntimeError(
                    f"nothing was reported from step {step} to {directive.until}: "
                    "call interval.report(step, score)"
                )
            step = self._step

    def restore(
        self,
        state: object | None = None,
        *,
        save: Save | None = None,
        load: Load | None = None,
        apply: Apply | None = None,
        applied: Applied | None = None,
    ) -> int | None:
        """Enter the first directive: load, then apply. For frameworks that own the loop.

        Returns the step to train from; None where there is nothing to train and `ended` is set.
        Takes what `intervals` takes. Raises what the callbacks raise.
        """
        if self._is_restored:
            raise RuntimeError("restore() and intervals() can be called once for a member")
        self._callbacks = collect_callbacks(state, save, load, apply, applied)
        self._is_restored = True
        with self._runtime.termination.shielded():
            self._enter(self._directive)
        self._let_termination_through()
        return None if self.ended else self._step

    def report(
        self,
        step: SupportsIndex,
        score: SupportsFloat,
        samples: Iterable[SupportsFloat] = (),
        **metrics: SupportsFloat,
    ) -> Directive | None:
        """Commit a checkpoint and publish the report; from `until` on, wait for what comes next.

        `step` must grow; `score` may be nan or inf; `samples` are independent measurements of the
        score (recent episode returns) for statistical tests.

        Returns None to go on with what is being trained. Otherwise the next directive: it has
        been entered already (loaded, applied), unless `ended` is set: then leave the member and
        go back to `session.members()`. None with `ended` set means that the worker stops.
        """
        measurement = measure(step, score, samples, metrics)
        self._check_reportable(measurement.step)
        with self._runtime.termination.shielded():
            following = self._report(measurement)
        self._let_termination_through()
        return following

    def _reenter_if_stale(self) -> None:
        """Load again where a body went on training with weights that it did not begin with."""
        if self._is_stale and not self.ended and self._callbacks.load is not None:
            self._memory = None
            with self._runtime.termination.shielded():
                self._enter(self._directive)
            self._let_termination_through()

    def drops(self, step: SupportsIndex, until: int) -> bool:
        """Whether a body's report counts for nobody: its weights are not those it began with.

        What it measured then is of no known number of steps. Raises RuntimeError for a body that
        does not leave at `until`.
        """
        if not (self.ended or self._was_replaced):
            return False
        if self._is_overrun:
            raise RuntimeError(
                f"the interval to step {until} is over, and the body goes on reporting: leave it "
                "at interval.until, or where interval.report() returns false"
            )
        self._is_stale, self._is_overrun = True, operator.index(step) >= until
        return True

    def _check_reportable(self, step: int) -> None:
        if not self._is_restored:
            raise RuntimeError("call member.restore() or member.intervals() before reporting")
        if self.ended:
            raise RuntimeError(f"member {self.name} has ended: go back to session.members()")
        reached = self._step if self._memory is not None else self._step - 1
        if step <= reached:
            raise ValueError(f"step: {step} is not beyond {reached}, which was reached before")

    def _let_termination_through(self) -> None:
        """End the program here, outside of any lock, if SIGTERM came while it was shielded."""
        if not self.ended:
            self._runtime.termination.check()

    # What follows runs shielded from SIGTERM.

    def _report(self, measurement: Measurement) -> Directive | None:
        runtime, directive = self._runtime, self._directive
        runtime.activities.switch("save")
        report = self._commit(measurement)
        self._memory, self._step = report.reference, report.step
        is_complete = report.step >= directive.until
        self._publish(report, waits=is_complete)
        if is_complete:
            runtime.completed(report.reference, directive)
            return self._enter(runtime.take(after=directive.id))
        # Work on what has been superseded would be thrown away.
        if (newer := runtime.mailbox.newer(directive.id)) is not None:
            return self._enter(newer)
        runtime.activities.switch("train")
        return None

    def _commit(self, measurement: Measurement) -> Report:
        """Return the report, committed with a checkpoint where the program can save."""
        runtime, directive, save = self._runtime, self._directive, self._callbacks.save
        reference = CheckpointRef(self.name, directive.id, measurement.step)

        def describe() -> Report:
            return Report(
                directive=directive.id,
                member=self.name,
                measurement=measurement,
                hyperparameters=self._callbacks.echo(directive.hyperparameters),
                checkpoint=save is not None,
                seconds=runtime.activities.lap(),
            )

        if save is None:
            report = describe()
        else:
            report, size = runtime.commit(reference, save, describe)
            runtime.telemetry.transferred("save", size)
            runtime.telemetry.update(checkpoint_step=reference.step)
        runtime.activities.end_lap(report.seconds)
        return report

    def _publish(self, report: Report, *, waits: bool) -> None:
        self._runtime.telemetry.update(
            report_step=report.step,
            report_score=report.measurement.score,
            metrics=report.measurement.metrics,
            hyperparameters=report.hyperparameters,
        )
        self._runtime.mailbox.report(report, waits_after=self._directive.id if waits else None)

    def _enter(self, directive: Directive | None) -> Directive | None:
        """Enter a directive, or the first after it that leaves something to train.

        Returns it, entered; with `ended` set, the one that this member cannot go on with.
        """
        runtime = self._runtime
        while directive is not None and self._can_go_on_with(directive):
            self._directive = directive
            runtime.activities.switch("restore")
            try:
                is_done = self._restore(directive)
            except RestoreFailed as failure:
                runtime.restore_failed(directive, failure)
                directive = None
                break
            runtime.telemetry.update(directive=directive.id)
            if not is_done:
                runtime.activities.switch("train")
                return directive
            directive = runtime.take(after=directive.id)
        self.ended = True
        self.following = directive
        return directive

    def _can_go_on_with(self, directive: Directive) -> bool:
        if directive.member != self.name or directive.rebuilds(self._directive):
            return False
        return self._is_pristine or directive.restore is not None

    def _restore(self, directive: Directive) -> bool:
        """Bring the program to the directive's start; True where its work is done already.

        Raises `RestoreFailed`.
        """
        own = self._runtime.restorer.own(directive)
        if own is not None and own.manifest.report is not None:
            report = own.manifest.report
            if own.reference != self._memory:
                self._publish(report, waits=report.step >= directive.until)
            if report.step >= directive.until:
                return True  # what follows may start elsewhere: nothing is loaded in vain
        self._load(directive, own)
        self._runtime.telemetry.turn_back(self._step)
        hyperparameters = dict(directive.hyperparameters)
        if self._callbacks.apply is not None:
            self._callbacks.apply(hyperparameters)
        self._is_pristine = False
        self._runtime.mailbox.progress(self._step)
        self._runtime.telemetry.update(
            hyperparameters=self._callbacks.echo(directive.hyperparameters)
        )
        return False

    def _load(self, directive: Directive, own: Checkpoint | None) -> None:
        """Load what the directive starts from, unless memory holds exactly that."""
        wanted = directive.restore if own is None else own.reference
        if wanted != self._memory:
            source = self._runtime.restorer.source(directive, own)
            if source is not None:
                self._load_source(source, directive)
        self._step = 0 if wanted is None else wanted.step

    def _load_source(self, source: Source, directive: Directive) -> None:
        load = self._callbacks.load
        if load is None:
            raise RuntimeError(
                f"directive {directive.id} continues from {source.origin}, but no load= was given"
            )
        self._is_pristine = False
        self._was_replaced = True
        with self._runtime.termination.shielded(False):  # may take long, and nothing can be lost
            self._runtime.restorer.load(source, load, directive.seed)
        self._memory = source.checkpoint.reference
        self._runtime.telemetry.update(checkpoint_step=self._memory.step)


@dataclass(frozen=True)
class Interval:
    """Train from `step` to the first step >= `until`, then report."""

    member: Member
    directive: Directive
    step: int

    @property
    def until(self) -> int:
        """The step from which on a report ends the interval."""
        return self.directive.until

    @property
    def seed(self) -> int:
        """Unsigned 64 bits that only this decision has: for the order of data."""
        return self.directive.seed

    @property
    def hyperparameters(self) -> Mapping[str, Value]:
        """What to train with; read-only."""
        return MappingProxyType(dict(self.directive.hyperparameters))

    @property
    def max_steps(self) -> int:
        """The step at which the experiment ends: for schedules over the whole run."""
        return self.directive.max_steps

    def report(
        self,
        step: SupportsIndex,
        score: SupportsFloat,
        samples: Iterable[SupportsFloat] = (),
        **metrics: SupportsFloat,
    ) -> bool:
        """Commit and publish, see `Member.report`; tells whether to go on with this interval.

        With false, leave the loop's body: at step >= `until`, and where the operator wants
        something else before that. What is reported later on other weights is neither counted
        nor kept.
        """
        if self.member.drops(step, self.until):
            return False
        self.member.report(step, score, samples, **metrics)
        return not self.member.ended and self.member.directive is self.directive
