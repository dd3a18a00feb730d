"""The algorithm blocks of a manifest: exactly one is given, its defaults are the paper's."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from population_operator.api.base import ApiModel, Cel, not_only_one, only_one, rule
from population_operator.api.problems import Problem
from population_operator.api.scalars import REAL, WHOLE
from population_operator.api.trials import (
    TRIALS,
    Asha,
    Bayesian,
    Bohb,
    Fabolas,
    Grid,
    Hyperband,
    SuccessiveHalving,
    Tpe,
)


class Truncation(ApiModel):
    """The worst `fraction` copies from the best `fraction` (arXiv 1711.09846, section 4.1.1)."""

    fraction: Annotated[float, Field(gt=0, le=0.5), REAL] = 0.2
    """The part of the population at each end; at most one half."""


class BinaryTournament(ApiModel):
    """A random opponent is copied where its score is higher (arXiv 1711.09846, section 4.1.1)."""


class TTest(ApiModel):
    """A random opponent is copied where Welch's t-test says it is better (same section)."""

    samples: Annotated[int, Field(ge=2, le=100), WHOLE] = 10
    """How many of the latest scores of each side are compared."""
    p_value: Annotated[float, Field(gt=0, lt=1), REAL] = 0.05
    """The difference counts where the two-sided p is below this."""


EXPLOITS = {
    "truncation": "truncation",
    "binary_tournament": "binaryTournament",
    "t_test": "tTest",
}


class Exploit(ApiModel):
    """Who copies whom: exactly one block."""

    truncation: Truncation | None = None
    """The worst copy from the best."""
    binary_tournament: BinaryTournament | None = None
    """Each compares itself with a random opponent."""
    t_test: TTest | None = None
    """As the tournament, where the difference is significant."""

    @rule(only_one(EXPLOITS.values(), "way to exploit"))
    def _one_exploit(self) -> Iterator[Problem]:
        yield from not_only_one(self, EXPLOITS, "way to exploit")


Factor = Annotated[float, Field(gt=0, le=1000), REAL]


class Perturb(ApiModel):
    """Multiply by one of `factors`, clipped to the bounds."""

    factors: Annotated[tuple[Factor, ...], Field(min_length=1, max_length=16)] = (0.8, 1.2)
    """One is drawn for each parameter; 1 leaves it where it is."""

    @rule(
        Cel(
            "self.factors.exists(factor, factor != 1.0)",
            "a factor other than 1 is needed: with 1 alone nothing is explored",
            "factors",
        )
    )
    def _moves(self) -> Iterator[Problem]:
        if all(factor == 1 for factor in self.factors):
            advice = "with 1 alone nothing is explored; the paper has [0.8, 1.2]"
            yield Problem("factors", f"a factor other than 1 is needed: {advice}")


class Resample(ApiModel):
    """With this probability a fresh draw takes the perturbation's place (0.25: Ray's default)."""

    probability: Annotated[float, Field(ge=0, le=1), REAL] = 0.25
    """For each parameter of its own."""


class Explore(ApiModel):
    """How the copied hyperparameters are moved, each parameter independently."""

    perturb: Perturb = Perturb()
    """A factor for each parameter."""
    resample: Resample = Resample()
    """A fresh draw now and then."""


class Pbt(ApiModel):
    """Population based training (arXiv 1711.09846)."""

    exploit: Exploit = Exploit(truncation=Truncation())
    """Who copies whom."""
    explore: Explore = Explore()
    """How what was copied is moved."""


class Pb2Categories(StrEnum):
    """How PB2 chooses categories, and what the numbers know of them (arXiv 2106.15883)."""

    MIX = "mix"
    """Drawn by time-varying EXP3.M; one model of all rows, whose kernel compares categories."""
    MULT = "mult"
    """Drawn by time-varying EXP3.M; a model for each combination of categories."""
    RAND = "rand"
    """Drawn evenly; one model that knows nothing of them."""


class Beta(ApiModel):
    """The weight of the variance in the bound: c1 + max(0, ln(c2 n)) for n intervals."""

    c1: Annotated[float, Field(ge=0, le=100), REAL] = 0.2
    """At the least; the paper's code has 0.2."""
    c2: Annotated[float, Field(gt=0, le=100), REAL] = 0.4
    """How soon it grows; the paper's code has 0.4."""


class Pb2(ApiModel):
    """Population based bandits (arXiv 2002.02518; categories: arXiv 2106.15883)."""

    exploit: Exploit = Exploit(truncation=Truncation(fraction=0.25))
    """Who copies whom."""
    beta: Beta = Beta()
    """How much what is not known yet attracts."""
    categories: Pb2Categories = Pb2Categories.MIX
    """How categories are chosen: mix, mult or rand."""
    window: Annotated[int, Field(ge=10, le=1000), WHOLE] = 1000
    """How many of the latest intervals, of all members, the model learns from."""


class Random(ApiModel):
    """Random search: each member keeps the hyperparameters that it drew."""


ALGORITHMS = {
    "pbt": "pbt",
    "pb2": "pb2",
    "random": "random",
    "grid": "grid",
    "successive_halving": "successiveHalving",
    "hyperband": "hyperband",
    "asha": "asha",
    "bohb": "bohb",
    "fabolas": "fabolas",
    "bayesian": "bayesian",
    "tpe": "tpe",
}
"""Fields of `Algorithm`, and how a manifest and the registry call them."""


class Algorithm(ApiModel):
    """Exactly one block."""

    pbt: Pbt | None = None
    """Population based training."""
    pb2: Pb2 | None = None
    """Population based bandits."""
    random: Random | None = None
    """Random search."""
    grid: Grid | None = None
    """Grid search."""
    successive_halving: SuccessiveHalving | None = None
    """Successive halving: one bracket."""
    hyperband: Hyperband | None = None
    """Hyperband: all brackets."""
    asha: Asha | None = None
    """Asynchronous successive halving."""
    bohb: Bohb | None = None
    """Hyperband with a density model."""
    fabolas: Fabolas | None = None
    """Bayesian optimisation over configurations and budgets."""
    bayesian: Bayesian | None = None
    """Bayesian optimisation with a Gaussian process."""
    tpe: Tpe | None = None
    """Tree-structured Parzen estimator."""

    @property
    def name(self) -> str:
        """The name of the block that is given, as a manifest and the registry know it."""
        return next(ALGORITHMS[name] for name in ALGORITHMS if getattr(self, name) is not None)

    @property
    def trials(self) -> bool:
        """Whether members are trials: each keeps its hyperparameters, and ends by itself."""
        return any(getattr(self, name) is not None for name in TRIALS)

    @rule(only_one(ALGORITHMS.values(), "algorithm"))
    def _one_algorithm(self) -> Iterator[Problem]:
        yield from not_only_one(self, ALGORITHMS, "algorithm")
