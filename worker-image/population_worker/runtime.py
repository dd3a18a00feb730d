"""What a session is made of, for its members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from population_worker.activities import Activities
from population_worker.callbacks import Save
from population_worker.checkpoints import CheckpointStore
from population_worker.directive import CheckpointRef, Directive
from population_worker.disk import DiskRetry
from population_worker.mailbox import Mailbox
from population_worker.metrics import Telemetry
from population_worker.report import Report
from population_worker.restoring import RestoreFailed, Restorer
from population_worker.signals import Termination
from population_worker.standalone import Standalone


@dataclass(frozen=True)
class Runtime:
    """The parts of one incarnation, wired together. `standalone` is None with an operator."""

    mailbox: Mailbox
    store: CheckpointStore
    telemetry: Telemetry
    activities: Activities
    termination: Termination
    retry: DiskRetry
    restorer: Restorer
    standalone: Standalone | None

    def take(self, after: int) -> Directive | None:
        """Wait for the next directive; None when the worker is to stop."""
        self.activities.switch("wait")
        directive = self.mailbox.take(after)
        return None if self.termination.arrived else directive

    def commit(
        self, reference: CheckpointRef, save: Save, describe: Callable[[], Report]
    ) -> tuple[Report, int]:
        """Commit a checkpoint, see `CheckpointStore.commit`, and wait for a disk in trouble."""
        return self.retry(
            "save", reference.member, lambda: self.store.commit(reference, save, describe)
        )

    def completed(self, reference: CheckpointRef, directive: Directive) -> None:
        """Say that a directive is done; alone, this also says what comes next."""
        if self.standalone is None:
            return
        following = self.standalone.next(directive, reference.step)
        if following is None:
            self.mailbox.stop()
        else:
            self.mailbox.put(following)

    def restore_failed(self, directive: Directive, failure: RestoreFailed) -> None:
        """Tell the operator; alone, raise SystemExit with what the user can do."""
        self.mailbox.restore_failed(directive, failure.checkpoint, failure.reason)
        if self.standalone is not None:
            folder = self.store.folder(failure.checkpoint)
            raise SystemExit(
                f"population_worker: {folder}: {failure.reason}; delete this folder to go on "
                "from an older checkpoint, or from the start"
            )


def assemble(
    *,
    experiment: str,
    incarnation: int,
    checkpoints: Path,
    save_retry_seconds: float,
    standalone: Standalone | None,
) -> Runtime:
    """Wire the parts; starts nothing."""
    mailbox = Mailbox(incarnation)
    telemetry = Telemetry(experiment)
    store = CheckpointStore(checkpoints)
    retry = DiskRetry(mailbox, save_retry_seconds)
    return Runtime(
        mailbox=mailbox,
        store=store,
        telemetry=telemetry,
        activities=Activities(telemetry),
        termination=Termination(mailbox.stop),
        retry=retry,
        restorer=Restorer(store, retry, telemetry),
        standalone=standalone,
    )
