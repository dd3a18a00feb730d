"""Random numbers that depend on names, not on the order of events.

A draw is keyed by the experiment's seed (its uid where none is given), a member, and the count of
that member's decisions: whatever crashed in between, the same decision draws the same numbers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from population_operator.api import PopulationExperiment


@dataclass(frozen=True)
class Key:
    """The root of an experiment's random numbers."""

    root: str

    @classmethod
    def of(cls, experiment: PopulationExperiment) -> Key:
        """The key of an experiment: its seed, or its uid where it has none."""
        seed = experiment.spec.population.seed
        return cls(f"seed:{seed}" if seed is not None else f"uid:{experiment.metadata.uid}")

    def _digest(self, *parts: object) -> bytes:
        text = "/".join((self.root, *map(str, parts)))
        return hashlib.sha256(text.encode()).digest()

    def generator(self, member: str, count: int, purpose: str = "") -> np.random.Generator:
        """A generator for one decision of one member; `purpose` keeps independent uses apart."""
        return np.random.Generator(
            np.random.PCG64(int.from_bytes(self._digest(member, count, purpose), "big"))
        )

    def seed(self, member: str, count: int) -> int:
        """The unsigned 63-bit seed of the interval that follows a decision."""
        return int.from_bytes(self._digest(member, count, "interval")[:8], "big") >> 1
