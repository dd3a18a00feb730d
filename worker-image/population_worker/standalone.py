"""A program that runs with no operator: it tells itself to go on, from its own checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from population_worker.checkpoints import CheckpointStore
from population_worker.directive import CheckpointRef, Directive, Forget, Kind
from population_worker.wire import Value

_MEMBER = "m0"


@dataclass(frozen=True)
class Standalone:
    """Trains one member from step 0, or its newest checkpoint, to `max_steps`.

    Only the newest checkpoint is kept; the end leaves the one before it, too.
    """

    hyperparameters: Mapping[str, Value]
    interval: int
    max_steps: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("interval", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is less than 1")

    def first(self, store: CheckpointStore) -> Directive | None:
        """Return where to begin, None where nothing is left to do."""
        found = store.all_references(_MEMBER)
        if not found:
            return self._directive(1, None, ())
        newest = found[-1]
        older = tuple(
            Forget(_MEMBER, reference.directive, keep=(newest.step,)) for reference in found[:-1]
        )
        return self._directive(newest.directive + 1, newest, older)

    def next(self, directive: Directive, step: int) -> Directive | None:
        """Return what follows a report at `step` under `directive`, None at the end."""
        newest = CheckpointRef(_MEMBER, directive.id, step)
        older = [Forget(_MEMBER, directive.id, keep=(step,))]
        if directive.restore is not None:
            older.append(Forget(_MEMBER, directive.restore.directive))
        return self._directive(directive.id + 1, newest, tuple(older))

    def _directive(
        self, id_: int, restore: CheckpointRef | None, forget: tuple[Forget, ...]
    ) -> Directive | None:
        step = 0 if restore is None else restore.step
        if step >= self.max_steps:
            return None
        return Directive(
            id=id_,
            incarnation=1,
            member=_MEMBER,
            kind=Kind.START if restore is None else Kind.RESUME,
            hyperparameters=self.hyperparameters,
            until=min((step // self.interval + 1) * self.interval, self.max_steps),
            max_steps=self.max_steps,
            seed=_interval_seed(self.seed, step),
            restore=restore,
            forget=forget,
        )


def _interval_seed(seed: int, step: int) -> int:
    """Return 64 bits that a repeated interval gets again, and no other one does."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:8], "big")
