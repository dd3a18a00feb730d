"""FABOLAS (Klein et al., arXiv 1605.07079): which configuration to try, and with how much budget.

Budgets are steps, maxSteps / 2^k for k = `levels` .. 0, never less than `interval`; or, with
`fraction`, parts of the data, 1 / 2^k, never less than the `min` of the parameter that it names:
the worker reads that part among its hyperparameters, and trains to maxSteps on it.

After the initial design (configurations that are drawn, on the small budgets in turn), each new
trial is the pair of configuration and budget that promises the most information about where the
best configuration lies at the full budget, for its predicted cost (equation 10):

    a(x, s) = E_y [ H[p_min | D] - H[p_min | D, (x, s, y)] ] / c(x, s)

p_min is the probability of each of M representers (the best predicted, and draws) to be the best at
s = 1: by joint draws of their values under the model (Hennig and Schuler, JMLR 13, 2012). The cost
is the worker's own training time where it is told, else the steps times the part of the data. The
models are of at most `LARGEST` results: those at the full budget, the best, and the latest.

A trial ends with its budget. In the end, the one that is predicted to be the best at the full
budget is promoted to it, from its own checkpoint; until then the best so far waits. One whose loss
is not finite ends at once. With `fraction` the last of `population.size` trials is that
configuration on all the data, from the start.

Losses that are not finite count as the worst finite one, and so does that of a trial that failed
for good, which has no cost; one that is far worse than usual as in `surrogate.bounded`. Ties go to
the pair that was drawn first. A parameter that is not active stands in the middle, categories are
coordinates of their own (one for each, 0 or 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from population_operator.algorithms.answers import answering
from population_operator.algorithms.base import Plan
from population_operator.algorithms.cholesky import factor
from population_operator.algorithms.fabolas_model import Process, cost_basis, loss_basis
from population_operator.algorithms.full_trials import most
from population_operator.algorithms.gaussian_process import Array
from population_operator.algorithms.start import FIRST
from population_operator.algorithms.surrogate import bounded, most_telling, standardised
from population_operator.algorithms.trials import (
    begin,
    drawn,
    outcomes,
    promote,
    stop,
    unfinished,
)
from population_operator.api import CategoricalDomain, PopulationExperiment
from population_operator.api.trials import Fabolas as Block
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.space import Hyperparameters, Space, categories, sample, to_unit
from population_operator.model.state import Member, RungResult, State, member_name

REPRESENTERS, CANDIDATES, DRAWS = 40, 60, 200
LARGEST = 250
"""Results that a process is fitted to."""
OUTCOMES = np.array([-1.2816, -0.5244, 0.0, 0.5244, 1.2816])
"""Quantiles of a normal outcome, 10 % to 90 %."""


class Fabolas:
    """The manifest's `fabolas` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`. O(n^3) in the results, once, where a trial starts or some are compared."""
        budgets, first, total = Budgets.of(experiment), len(state.members), most(experiment)
        final = total - 1 if budgets.fraction else total
        indices = range(first, min(first + max(free, 0), final))
        over = first == final < total and free > 0 and not unfinished(experiment, state)
        # The best that waits alone goes on waiting.
        compared = len(_waiting(state, ready)) > 1 or over
        models = Models.of(experiment, state) if compared or indices else None
        answers = tuple(_answers(experiment, state, ready, models))
        begun = [_begin(experiment, index, models, key) for index in indices]
        if over:
            begun.append(_final(experiment, state, models, key))
        return (*answers, *begun)

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`: the one that waits is promoted in the end."""
        to_start = max(most(experiment) - len(state.members), 0)
        return to_start + len(unfinished(experiment, state))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        steps = dict.fromkeys(Budgets.of(experiment).steps)
        return Plan(experiment.spec.population.size, tuple(steps))


@dataclass(frozen=True)
class Budgets:
    """Ascending: the steps that trials train, and their shares of the full budget.

    `fraction` names the parameter that carries the share; all trials train to maxSteps then.
    """

    steps: tuple[int, ...]
    shares: tuple[float, ...]
    fraction: str | None = None

    @classmethod
    def of(cls, experiment: PopulationExperiment) -> Budgets:
        """The budgets of an experiment."""
        block, schedule = experiment.spec.algorithm.fabolas or Block(), experiment.spec.schedule
        full, powers = schedule.max_steps, range(block.levels, -1, -1)
        if block.fraction is None:
            steps = tuple(dict.fromkeys(max(full >> k, schedule.interval) for k in powers))
            return cls(steps, tuple(step / full for step in steps))
        named = next(p for p in experiment.spec.parameters if p.name == block.fraction)
        domain = named.domain
        least = 0.0 if isinstance(domain, CategoricalDomain) else float(domain.min)
        shares = tuple(dict.fromkeys(max(0.5**k, least) for k in powers))
        return cls((full,) * len(shares), shares, block.fraction)

    def share(self, member: Member, result: RungResult) -> float:
        """Which share of the full budget a result is of."""
        if self.fraction is None:
            return result.step / self.steps[-1]
        return float(member.decision.hyperparameters[self.fraction])

    def begin(self, index: int, level: int, values: Hyperparameters, said: str) -> Decision:
        """A trial with the budget of a level."""
        given = dict(values)
        if self.fraction is not None:
            given[self.fraction] = self.shares[level]
            said += f", on {self.shares[level]:.4g} of the data"
        begun = begin(index, 0, self.steps[level], given, said)
        return begun.model_copy(update={"rung": level})


def searched(experiment: PopulationExperiment) -> Space:
    """The parameters without the one that is the budget."""
    block = experiment.spec.algorithm.fabolas or Block()
    return tuple(p for p in experiment.spec.parameters if p.name != block.fraction)


Rows = tuple[Array, Array, Array]
"""Coordinates (n x D), shares (n), and targets (n)."""


@dataclass(frozen=True)
class Models:
    """The loss (to be minimised, standardised) and the logarithm of the cost."""

    loss: Process
    costs: Rows
    rows: int

    @classmethod
    def of(cls, experiment: PopulationExperiment, state: State) -> Models | None:
        """The models of the results; none before there are enough, or where all failed."""
        block, space = experiment.spec.algorithm.fabolas or Block(), searched(experiment)
        goal, budgets = experiment.spec.objective.goal, Budgets.of(experiment)
        known = list(outcomes(state))
        if len(known) < block.initial_points:
            return None
        merits = np.array([merit(goal, result.score) for _, result in known])
        shares = np.array([budgets.share(member, result) for member, result in known])
        chosen = telling(merits, shares)
        fitted = [known[i] for i in chosen]
        paid = np.array([result in member.rungs for member, result in fitted])
        if not paid.any():
            return None
        points = np.array([encoded(space, m.decision.hyperparameters) for m, _ in fitted])
        losses, shares = -standardised(bounded(merits[chosen])), shares[chosen]
        loss = Process.of(loss_basis, points, shares, losses)
        seconds = np.array([result.seconds or 0.0 for _, result in fitted])[paid]
        told = ((seconds > 0.0) & np.isfinite(seconds)).all()
        costs = np.log(seconds if told else shares[paid])
        return cls(loss, (points[paid], shares[paid], costs - costs.mean()), len(known))

    @cached_property
    def cost(self) -> Process:
        """Where no trial starts, nobody asks for it."""
        return Process.of(cost_basis, *self.costs)

    def at_full(self, points: Array) -> Array:
        """The predicted losses at the full budget."""
        return self.loss.means(points, np.ones(len(points)))

    def choose(
        self, points: Sequence[Array], shares: Array, rng: np.random.Generator
    ) -> tuple[int, int]:
        """The indices of the candidate and of its share with the most information for its cost."""
        grid = np.array([point for point in points for _ in shares])
        levels = np.tile(shares, len(points))
        ones = np.ones(REPRESENTERS)
        pool = np.concatenate((self.loss.coordinates, np.array(points)))
        best = pool[np.argsort(self.at_full(pool), kind="stable")[: REPRESENTERS // 2]]
        others = pool[rng.integers(len(pool), size=REPRESENTERS - len(best))]
        where = np.concatenate((best, others))
        mean, covariance = self.loss.predict(where, ones[: len(where)])
        normals = rng.normal(size=(DRAWS, len(where)))
        before = _entropy(mean[None, :], covariance, normals)[0]
        across = self.loss.across((where, ones[: len(where)]), (grid, levels))
        spread = np.sqrt(self.loss.variances(grid, levels) + self.loss.noise)
        gains = np.empty(len(grid))
        for i in range(len(grid)):
            shift = across[:, i] / spread[i]
            means = mean[None, :] + OUTCOMES[:, None] * shift[None, :]
            after = _entropy(means, covariance - np.outer(shift, shift), normals)
            gains[i] = before - float(after.mean())
        costs = np.exp(np.clip(self.cost.means(grid, levels), -20.0, 20.0))
        chosen = int(np.argmax(np.maximum(gains, 0.0) / costs))
        return chosen // len(shares), chosen % len(shares)


def telling(merits: Array, shares: Array) -> list[int]:
    """Indices of at most `LARGEST` results (n), in order: those at the full budget, then others."""
    whole, part = np.flatnonzero(shares >= 1.0), np.flatnonzero(shares < 1.0)
    whole = whole[most_telling(merits[whole], LARGEST)]
    part = part[most_telling(merits[part], LARGEST - len(whole))]
    return sorted([*whole.tolist(), *part.tolist()])


def _entropy(means: Array, covariance: Array, normals: Array) -> Array:
    """Entropies of p_min for several means (k x M) with one covariance: k numbers."""
    lower = factor(covariance + 1e-9 * np.eye(len(covariance)), 1.0)
    found, spread = [], normals @ lower.T
    for mean in means:
        winners = np.argmin(mean + spread, axis=1)
        shares = np.bincount(winners, minlength=len(mean)) / len(normals)
        known = shares[shares > 0.0]
        found.append(-float((known * np.log(known)).sum()))
    return np.array(found)


def _begin(
    experiment: PopulationExperiment, index: int, models: Models | None, key: Key
) -> Decision:
    budgets, space = Budgets.of(experiment), experiment.spec.parameters
    if models is None or index < len(experiment.spec.initial):
        level = index % max(len(budgets.steps) - 1, 1)
        return budgets.begin(index, level, *drawn(experiment, index, key))
    rng = key.generator(member_name(index), FIRST, "fabolas")
    candidates = [sample(space, rng) for _ in range(CANDIDATES)]
    points = [encoded(searched(experiment), values) for values in candidates]
    place, level = models.choose(points, np.array(budgets.shares), rng)
    said = f"the information about the full budget for its cost, by {models.rows} results"
    return budgets.begin(index, level, candidates[place], said)


def _final(
    experiment: PopulationExperiment, state: State, models: Models | None, key: Key
) -> Decision:
    """The configuration that promises the most of those that have not seen all the data yet.

    Not one whose loss is not finite; a draw where no other is left.
    """
    budgets, index = Budgets.of(experiment), len(state.members)
    seen = [m.decision.hyperparameters for m in state.population if _whole(budgets, m)]
    space = searched(experiment)
    left = [
        m for m in state.population
        if _finite(m) and not any(_alike(space, m.decision.hyperparameters, one) for one in seen)
    ]  # fmt: skip
    if not left:
        return budgets.begin(index, len(budgets.steps) - 1, *drawn(experiment, index, key))
    best = _best(experiment, left, models)
    said = f"{best.name}, which promises the most"
    return budgets.begin(index, len(budgets.steps) - 1, best.decision.hyperparameters, said)


def _whole(budgets: Budgets, member: Member) -> bool:
    return any(budgets.share(member, result) >= 1.0 for result in member.rungs)


def _alike(space: Space, a: Hyperparameters, b: Hyperparameters) -> bool:
    return all(a.get(p.name) == b.get(p.name) for p in space)


def _answers(
    experiment: PopulationExperiment, state: State, ready: tuple[str, ...], models: Models | None
) -> Iterator[Decision]:
    """The best of those that wait stays, the others end; when all have ended, it is promoted."""
    waiting = _waiting(state, ready)
    best = _best(experiment, waiting, models) if waiting else None
    running = any(not member.reported for member in unfinished(experiment, state))
    over = len(state.members) >= most(experiment) and not running
    steps = Budgets.of(experiment).steps
    for member in answering(state, ready):
        if not _finite(member):
            yield stop(member, "its loss is not finite; it ends")
        elif best is not None and member is not best:
            yield stop(member, f"its budget is used; {best.name} promises more")
        elif over:
            reason = f"it promises the most at step {steps[-1]}"
            yield promote(member, len(steps) - 1, steps[-1], reason)


def _best(experiment: PopulationExperiment, waiting: list[Member], models: Models | None) -> Member:
    space, goal = searched(experiment), experiment.spec.objective.goal
    if models is None:
        return max(waiting, key=lambda m: (merit(goal, m.rungs[-1].score), -m.index))
    points = np.array([encoded(space, m.decision.hyperparameters) for m in waiting])
    return waiting[int(np.argmin(models.at_full(points)))]


def _waiting(state: State, ready: tuple[str, ...]) -> list[Member]:
    """Those of the ready ones that may go on."""
    return [member for member in answering(state, ready) if _finite(member)]


def _finite(member: Member) -> bool:
    """Whether it has a result, and the last one is finite."""
    return bool(member.rungs) and math.isfinite(member.rungs[-1].score)


def encoded(space: Space, values: Hyperparameters) -> Array:
    """A configuration as coordinates (D): one for each number, one for each category."""
    found: list[float] = []
    for parameter in space:
        domain, value = parameter.domain, values.get(parameter.name)
        if isinstance(domain, CategoricalDomain):
            found += [float(known == value) for known in categories(domain)]
        else:
            found.append(0.5 if value is None else to_unit(domain, float(value)))
    return np.array(found)
