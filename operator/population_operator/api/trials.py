"""The blocks of algorithms whose members are trials: each keeps its values, and ends by itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from population_operator.api.base import ApiModel
from population_operator.api.scalars import REAL, WHOLE, Identifier

Eta = Annotated[int, Field(ge=2, le=100), WHOLE]
"""One in `eta` goes on to a budget that is `eta` times as large."""


class SuccessiveHalving(ApiModel):
    """Successive halving (Jamieson and Talwalkar, arXiv 1502.07943)."""

    eta: Eta = 3
    """One in eta goes on, to a budget eta times as large; 3 is Hyperband's."""


class Rounding(StrEnum):
    """How many trials a bracket begins with, where the formula gives no whole number."""

    UP = "up"
    """As in the Hyperband paper: 81, 34, 15, 8, 5 for 81 intervals and eta 3."""
    DOWN = "down"
    """As in hpbandster: 81, 27, 9, 6, 5."""


class Sampler(StrEnum):
    """Where the configurations of Hyperband and ASHA come from."""

    RANDOM = "random"
    """Drawn evenly, as in their papers."""
    GAUSSIAN_PROCESS = "gaussianProcess"
    """Two of three proposed by a Gaussian process of the results on all budgets."""


class Hyperband(ApiModel):
    """Hyperband, all brackets (Li et al., JMLR 18, 2018)."""

    eta: Eta = 3
    """One in eta goes on, to a budget eta times as large; the paper has 3."""
    rounding: Rounding = Rounding.UP
    """How brackets are sized: up (the paper) or down (hpbandster)."""
    sampler: Sampler = Sampler.RANDOM
    """Where configurations come from: random or gaussianProcess."""


class AshaVariant(StrEnum):
    """What becomes of a trial at the end of a rung."""

    PROMOTION = "promotion"
    """It waits, and is promoted as soon as it is among the best of its rung, as in the paper."""
    STOPPING = "stopping"
    """It goes on or ends at once, as in Ray and in Syne Tune's stopping type."""


class Asha(ApiModel):
    """Asynchronous successive halving (Li et al., arXiv 1810.05934)."""

    eta: Eta = 4
    """One in eta goes on, to a budget eta times as large; the paper has 4."""
    variant: AshaVariant = AshaVariant.PROMOTION
    """What becomes of a trial at the end of a rung: promotion or stopping."""
    sampler: Sampler = Sampler.RANDOM
    """Where configurations come from: random or gaussianProcess."""


class Bohb(ApiModel):
    """Hyperband whose configurations come from a density model (Falkner et al., arXiv 1807.01774).

    The defaults are those of hpbandster, its authors' code.
    """

    eta: Eta = 3
    """One in eta goes on, to a budget eta times as large."""
    rounding: Rounding = Rounding.DOWN
    """How brackets are sized: down (hpbandster) or up (the Hyperband paper)."""
    min_points: Annotated[int, Field(ge=2, le=1000), WHOLE] | None = None
    """Results of a budget that a model needs, at least one more than there are parameters."""
    top_percent: Annotated[int, Field(ge=1, le=99), WHOLE] = 15
    """The percentage of results that count as good."""
    samples: Annotated[int, Field(ge=1, le=10_000), WHOLE] = 64
    """Candidates that are drawn from the good density; the most promising one is taken."""
    random_fraction: Annotated[float, Field(ge=0, le=1), REAL] = 1 / 3
    """The part of configurations that is drawn evenly, without the model."""
    bandwidth_factor: Annotated[float, Field(gt=0, le=100), REAL] = 3.0
    """By how much the density is widened to draw candidates."""
    min_bandwidth: Annotated[float, Field(gt=0, le=1), REAL] = 1e-3
    """The narrowest that the density of a parameter becomes, in units of its range."""


class Fabolas(ApiModel):
    """Bayesian optimisation over configurations and budgets (Klein et al., arXiv 1605.07079)."""

    levels: Annotated[int, Field(ge=2, le=16), WHOLE] = 4
    """Budgets besides the full one, each half of the next: 4 begins at a sixteenth."""
    initial_points: Annotated[int, Field(ge=2, le=100), WHOLE] = 10
    """Configurations that are drawn before there is a model, on the small budgets."""
    fraction: Identifier | None = None
    """The float parameter, up to 1, by which a worker is told on which part of the data to train;
    without it the budget is the steps."""


class Grid(ApiModel):
    """Grid search: every combination, each trained to the end."""

    points: Annotated[int, Field(ge=2, le=100), WHOLE] = 5
    """Values of each numeric parameter, evenly spaced on its scale; fewer where `step` is wide."""


class Acquisition(StrEnum):
    """What makes a configuration worth trying."""

    LOG_EI = "logEI"
    """The logarithm of the expected improvement (Ament et al., arXiv 2310.20708)."""
    EI = "EI"
    """The expected improvement (Jones et al., 1998)."""
    UCB = "UCB"
    """The upper confidence bound (Srinivas et al., arXiv 0912.3995)."""


class Bayesian(ApiModel):
    """Bayesian optimisation with a Gaussian process; each trial is trained to the end."""

    acquisition: Acquisition = Acquisition.LOG_EI
    """What makes a configuration worth trying: logEI, EI or UCB."""
    initial_points: Annotated[int, Field(ge=2, le=1000), WHOLE] | None = None
    """Configurations that are drawn first; twice the parameters and two without it."""
    kappa: Annotated[float, Field(gt=0, le=100), REAL] = 2.0
    """Standard deviations above the mean, for UCB."""


class Tpe(ApiModel):
    """Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), by Optuna."""

    startup_trials: Annotated[int, Field(ge=1, le=1000), WHOLE] = 10
    """Configurations that are drawn first; Optuna's default."""
    candidates: Annotated[int, Field(ge=1, le=10_000), WHOLE] = 24
    """Candidates that are drawn for each parameter; Optuna's default."""


BRACKETS = ("hyperband", "bohb")
"""The blocks that say by themselves how many trials there are."""
TRIALS = (
    "successive_halving", "hyperband", "asha", "bohb", "fabolas", "grid", "bayesian", "tpe",
)  # fmt: skip
"""The fields of `Algorithm` whose members are trials."""
