"""Deletes checkpoints that the operator no longer needs, beside the training."""

from __future__ import annotations

import threading

from population_worker.checkpoints import CheckpointStore
from population_worker.directive import CheckpointRef, Directive, Forget
from population_worker.mailbox import Mailbox


class Janitor:
    """A background thread that does what `forget` says, and reports it."""

    def __init__(self, store: CheckpointStore, mailbox: Mailbox) -> None:
        self._store = store
        self._mailbox = mailbox
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)

    def start(self) -> None:
        """Begin; the thread ends when the mailbox is closed."""
        self._thread.start()

    def _run(self) -> None:
        while (items := self._mailbox.take_forget()) is not None:
            done = tuple(item for item in items if self._forget(item))
            if done:
                self._mailbox.forgotten(done)

    def _forget(self, item: Forget) -> bool:
        """Delete, and tell whether all is gone that should be."""
        try:
            kept = self._store.forget(item, self._protected())
        except OSError as error:
            self._mailbox.trouble(item.member, f"forget: {error}")
            return False
        for reference in kept:
            self._mailbox.trouble(item.member, f"forget: {reference} is what is restored from")
        return not kept

    def _protected(self) -> set[CheckpointRef]:
        directive = self._mailbox.in_progress
        return set() if directive is None else restored_from(self._store, directive)


def restored_from(store: CheckpointStore, directive: Directive) -> set[CheckpointRef]:
    """Return what a worker that starts on `directive` reads: its own newest, else `restore`."""
    own = store.references(directive.member, directive.lineage)
    return {reference for reference in (own[-1] if own else directive.restore,) if reference}
