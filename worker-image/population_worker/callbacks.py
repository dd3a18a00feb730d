"""What the program lends to the SDK: how its state is saved, loaded and changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from population_worker.wire import Value, plain

Save: TypeAlias = Callable[[Path], object]
"""Writes the whole state as files (and folders) into an empty folder."""

Load: TypeAlias = Callable[[Path, str], object]
"""Reads it back; the second argument says as what: "resume", "exploit" or "promote"."""

Apply: TypeAlias = Callable[[dict[str, Any]], object]
"""Puts hyperparameters in force; runs after `load`, so that explored values win."""

Applied: TypeAlias = Callable[[], Mapping[str, Value]]
"""Reads back what is really in force, for those hyperparameters where that is possible."""


@dataclass(frozen=True)
class Callbacks:
    """All are optional: a program without `save` reports that it has no checkpoints."""

    save: Save | None = None
    load: Load | None = None
    apply: Apply | None = None
    applied: Applied | None = None

    def echo(self, hyperparameters: Mapping[str, Value]) -> dict[str, Value]:
        """Return the directive's values, corrected by what `applied` says of them.

        Raises TypeError for what no report could carry: a list, say.
        """
        applied = self.applied() if self.applied is not None else {}
        return {
            name: plain(applied[name], f"applied: {name}") if name in applied else value
            for name, value in hyperparameters.items()
        }


def collect_callbacks(
    state: object | None,
    save: Save | None,
    load: Load | None,
    apply: Apply | None,
    applied: Applied | None,
) -> Callbacks:
    """Take the callbacks from the arguments, else from the methods of `state`.

    Raises TypeError for a `state` that has none of them.
    """
    methods = {name: getattr(state, name, None) for name in ("save", "load", "apply", "applied")}
    if state is not None and not any(map(callable, methods.values())):
        raise TypeError(f"state: {type(state).__name__} has neither save, load nor apply")
    return Callbacks(
        save=save or methods["save"],
        load=load or methods["load"],
        apply=apply or methods["apply"],
        applied=applied or methods["applied"],
    )
