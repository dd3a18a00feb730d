"""The algorithm blocks of a manifest: exactly one is given, its defaults are the paper's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from population_operator.api.base import ApiModel


class Truncation(ApiModel):
    """The worst `fraction` copies from the best `fraction` (arXiv 1711.09846, section 4.1.1)."""

    fraction: Annotated[float, Field(gt=0, le=0.5)] = 0.2


class BinaryTournament(ApiModel):
    """A random opponent is copied where its score is higher (arXiv 1711.09846, section 4.1.1)."""


class TTest(ApiModel):
    """A random opponent is copied where Welch's t-test says it is better (same section)."""

    samples: Annotated[int, Field(ge=2, le=100)] = 10
    p_value: Annotated[float, Field(gt=0, lt=1)] = 0.05


class Exploit(ApiModel):
    """Who copies whom: exactly one block."""

    truncation: Truncation | None = None
    binary_tournament: BinaryTournament | None = None
    t_test: TTest | None = None


class Perturb(ApiModel):
    """Multiply by one of `factors`, clipped to the bounds."""

    factors: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=16)
    ] = (0.8, 1.2)


class Resample(ApiModel):
    """With this probability a fresh draw takes the perturbation's place."""

    probability: Annotated[float, Field(ge=0, le=1)] = 0.25


class Explore(ApiModel):
    perturb: Perturb = Perturb()
    resample: Resample = Resample()


class Pbt(ApiModel):
    """Population based training (arXiv 1711.09846)."""

    exploit: Exploit = Exploit(truncation=Truncation())
    explore: Explore = Explore()


class Random(ApiModel):
    """Random search: each member keeps the hyperparameters that it drew."""


class Algorithm(ApiModel):
    """Exactly one block."""

    pbt: Pbt | None = None
    random: Random | None = None

    @property
    def name(self) -> str:
        """The name of the block that is given, as the registry knows it."""
        return next(iter(self.model_fields_set), "pbt")
