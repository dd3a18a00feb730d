"""FABOLAS: its kernel against scikit-learn's, and that small budgets pay."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from population_operator.algorithms import fabolas as module
from population_operator.algorithms.fabolas import Budgets, Fabolas, Models
from population_operator.algorithms.fabolas_model import (
    Process,
    cost_basis,
    evidence,
    loss_basis,
    matern,
)
from population_operator.app.simulate import simulate
from population_operator.core.verify import verify
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import Phase
from population_operator.model.space import Hyperparameters
from population_operator.model.state import Member
from tests.algorithms.bandits import a_bandit, a_trial, asked, named
from tests.builders import a_float, a_state


@dataclass(frozen=True)
class Valley:
    """The loss falls with the steps towards what the place in the valley allows."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> int:
        return 0

    def train(
        self, weights: int, it: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[int, float]:
        trained = weights + until - step
        place = (float(it["x"]) - 0.3) ** 2 + (float(it["y"]) - 0.6) ** 2
        return trained, place + (1.0 - trained / 64) ** 2 * (0.5 + 0.2 * float(it["x"]))


def an_experiment_of(size: int) -> Any:
    built = a_bandit("fabolas", size, workers=2).minimize().steps(1, 64)
    return built.parameters(a_float("x", 0, 1), a_float("y", 0, 1)).build()


def test_the_kernel_is_matern() -> None:
    kernels = pytest.importorskip("sklearn.gaussian_process.kernels")
    rng = np.random.default_rng(0)
    a, b, lengths = rng.random((5, 3)), rng.random((4, 3)), np.array([0.2, 1.0, 3.0])
    theirs = kernels.Matern(length_scale=lengths, nu=2.5)(a, b)
    assert matern(a, b, lengths) == pytest.approx(theirs)


def test_the_bases_are_the_papers() -> None:
    shares = np.array([0.25, 1.0])
    assert loss_basis(shares).tolist() == [[1.0, 0.5625], [1.0, 0.0]]
    assert cost_basis(shares).tolist() == [[1.0, 0.25], [1.0, 1.0]]


@pytest.mark.parametrize("basis", [loss_basis, cost_basis])
def test_the_slope_of_the_evidence_is_its_difference_quotient(basis: Any) -> None:
    rng = np.random.default_rng(1)
    points, shares, targets = rng.random((12, 3)), rng.random(12), rng.normal(size=12)
    theta = rng.normal(-0.5, 0.4, 7)
    _, slope = evidence(theta, basis, points, shares, targets)
    for place, step in enumerate(1e-6 * np.eye(7)):
        above, _ = evidence(theta + step, basis, points, shares, targets)
        below, _ = evidence(theta - step, basis, points, shares, targets)
        assert slope[place] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-5)


def test_the_loss_is_extrapolated_to_the_full_budget() -> None:
    rng = np.random.default_rng(0)
    points, shares = rng.random((40, 1)), rng.choice([0.125, 0.25, 0.5], 40)
    losses = (points[:, 0] - 0.3) ** 2 + 0.5 * (1 - shares) ** 2
    grid = np.linspace(0, 1, 11)[:, None]
    mean, covariance = Process.of(loss_basis, points, shares, losses).predict(grid, np.ones(11))
    assert mean == pytest.approx((grid[:, 0] - 0.3) ** 2, abs=0.03)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_budgets_are_halves_and_never_below_the_interval() -> None:
    assert Budgets.of(an_experiment_of(9)).steps == (4, 8, 16, 32, 64)
    assert Budgets.of(a_bandit("fabolas", 9).steps(10, 64).build()).steps == (10, 16, 32, 64)


def on_parts_of_the_data(size: int) -> Any:
    built = a_bandit("fabolas", size, workers=2, fraction="part", levels=3).minimize().steps(1, 8)
    space = (a_float("x", 0, 1), a_float("y", 0, 1), a_float("part", 0.2, 1))
    return built.parameters(*space).initial({"x": 0.9, "y": 0.9}).build()


def test_parts_of_the_data_are_halves_and_never_below_the_parameters_min() -> None:
    budgets = Budgets.of(on_parts_of_the_data(9))
    assert budgets.shares == (0.2, 0.25, 0.5, 1.0) and set(budgets.steps) == {8}


@dataclass(frozen=True)
class Sampled:
    """The loss depends on the part of the data, whatever the steps."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> int:
        return 0

    def train(
        self, weights: int, it: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[int, float]:
        place = (float(it["x"]) - 0.3) ** 2 + (float(it["y"]) - 0.6) ** 2
        return until, place + 0.5 * (1.0 - float(it["part"])) ** 2


def test_a_trial_is_told_its_part_of_the_data_and_the_best_gets_all_of_it() -> None:
    state, entries = simulate(on_parts_of_the_data(20), Sampled())
    assert state.phase is Phase.COMPLETE and verify(entries).divergence is None
    trials = state.population
    assert len(trials) == 20 and all(trial.step == 8 for trial in trials)
    parts = [float(trial.decision.hyperparameters["part"]) for trial in trials]
    assert set(parts) <= {0.2, 0.25, 0.5, 1.0} and parts[:3] == [0.2, 0.25, 0.5]
    assert parts[-1] == 1.0 and "promises the most" in trials[-1].decision.reason
    assert trials[-1].rungs[-1].score < 0.03
    assert sum(parts) < 14, "small parts are preferred to all of the data, 20 times"


def test_it_is_better_for_the_same_cost_than_training_fully() -> None:
    regrets, costs = [], []
    for seed in range(3):
        experiment = an_experiment_of(25)
        population = experiment.spec.population.model_copy(update={"seed": seed})
        spec = experiment.spec.model_copy(update={"population": population})
        state, entries = simulate(experiment.model_copy(update={"spec": spec}), Valley())
        assert state.phase is Phase.COMPLETE and verify(entries).divergence is None
        assert state.best is not None
        regrets.append(state.best.score)
        costs.append(sum(member.step for member in state.population) / 64)
    assert np.mean(costs) < 10, "of 25 trials"
    assert np.mean(regrets) < 0.02


def test_the_best_waits_and_goes_on_in_the_end() -> None:
    experiment = an_experiment_of(3)
    steps = Budgets.of(experiment).steps
    done = [a_trial(i, steps, [i / 10]) for i in range(2)]
    found = asked(experiment, [*done, a_trial(2, steps, [])])
    assert named(found, DecisionKind.STOP) == [1]
    assert named(found, DecisionKind.PROMOTE) == []
    ended = a_trial(1, steps, [0.1], stopped=True)
    found = asked(experiment, [done[0], ended, a_trial(2, steps, [0.2])])
    assert [(d.kind, d.until) for d in found] == [
        (DecisionKind.PROMOTE, 64),
        (DecisionKind.STOP, None),
    ]
    state = a_state(experiment, done[0], ended, a_trial(2, steps, [0.2], stopped=True))
    assert Fabolas().demand(experiment, state) == 1


# --- results that are too many, diverged, or missing ---------------------------------------------


def having(trial: Member, **values: Any) -> Member:
    """The same trial with these hyperparameters."""
    return replace(trial, decision=trial.decision.model_copy(update={"hyperparameters": values}))


def some_trials(steps: tuple[int, ...], count: int, *, whole: int = 0) -> list[Member]:
    """Trials with one result, or for the first ones with one for each budget."""
    rng = np.random.default_rng(0)
    return [
        having(
            a_trial(i, steps, [float(rng.random()) for _ in (steps if i < whole else steps[:1])]),
            x=float(rng.random()),
            y=float(rng.random()),
        )
        for i in range(count)
    ]


def test_the_rows_are_bounded_and_keep_what_saw_the_full_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LARGEST", 8)
    experiment = an_experiment_of(20)
    trials = some_trials(Budgets.of(experiment).steps, 10, whole=3)
    models = Models.of(experiment, a_state(experiment, *trials))
    assert models is not None and models.rows == 3 * 5 + 7
    shares = models.loss.shares.tolist()
    assert len(shares) == len(models.costs[0]) == 8 and shares.count(1.0) == 3


def test_costs_are_modelled_only_where_a_trial_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Any] = []
    original = Process.of

    def counting(basis: Any, *rows: Any) -> Process:
        fitted.append(basis)
        return original(basis, *rows)

    monkeypatch.setattr(Process, "of", counting)
    experiment = an_experiment_of(20)
    trials = some_trials(Budgets.of(experiment).steps, 12)
    assert len(named(asked(experiment, trials), DecisionKind.STOP)) == 11
    assert fitted == [loss_basis]
    asked(experiment, trials, free=2)
    assert fitted[1:] == [loss_basis, cost_basis]


def test_a_trial_that_failed_for_good_has_the_worst_loss_and_no_cost() -> None:
    experiment = an_experiment_of(20)
    steps = Budgets.of(experiment).steps
    trials = some_trials(steps, 10)
    failed = having(a_trial(10, steps, [], stopped=True), x=0.5, y=0.5)
    models = Models.of(experiment, a_state(experiment, *trials, failed))
    assert models is not None
    assert (models.rows, len(models.loss.shares), len(models.costs[0])) == (11, 11, 10)
    known = Models.of(experiment, a_state(experiment, *trials))
    assert known is not None
    there = np.array([[0.5, 0.5]])
    assert models.at_full(there)[0] > known.at_full(there)[0]
    nobody = [replace(trial, rungs=(), decision=failed.decision) for trial in trials]
    assert Models.of(experiment, a_state(experiment, *nobody)) is None


def test_what_diverged_ends_and_is_never_promoted() -> None:
    experiment = an_experiment_of(3)
    steps = Budgets.of(experiment).steps
    diverged = [a_trial(i, steps, [math.nan]) for i in range(2)]
    found = asked(experiment, [*diverged, a_trial(2, steps, [0.9])])
    assert named(found, DecisionKind.STOP) == [0, 1]
    assert named(found, DecisionKind.PROMOTE) == [2]
    found = asked(experiment, [*diverged, a_trial(2, steps, [math.inf])])
    assert named(found, DecisionKind.STOP) == [0, 1, 2]
    assert {d.reason for d in found} == {"its loss is not finite; it ends"}


def test_what_diverged_is_not_compared_with_what_the_model_says_of_it() -> None:
    experiment = an_experiment_of(13)
    trials = some_trials(Budgets.of(experiment).steps, 13)
    best = asked(experiment, trials)
    (first,) = named(best, DecisionKind.PROMOTE)
    spoilt = replace(trials[first].rungs[0], score=math.nan)
    trials[first] = replace(trials[first], rungs=(spoilt,))
    found = asked(experiment, trials)
    assert first in named(found, DecisionKind.STOP)
    assert len(named(found, DecisionKind.PROMOTE)) == 1


@dataclass(frozen=True)
class Hopeless(Valley):
    """No loss is finite."""

    def train(
        self, weights: int, it: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[int, float]:
        return until, math.nan


def test_it_ends_where_nothing_is_finite() -> None:
    state, entries = simulate(an_experiment_of(14), Hopeless())
    assert state.phase is Phase.FAILED and verify(entries).divergence is None
    assert all(member.stopped or member.step == 64 for member in state.population)
    assert state.exploits == 0 and all(len(member.rungs) == 1 for member in state.population)


def test_the_whole_data_are_not_for_what_diverged_on_a_part() -> None:
    experiment = on_parts_of_the_data(3)
    ended = [
        having(a_trial(i, (8,), [math.nan]), x=0.25, y=0.5 + i / 10, part=0.2) for i in range(2)
    ]
    (last,) = asked(experiment, ended, free=1)
    assert last.hyperparameters["part"] == 1.0 and last.hyperparameters["x"] != 0.25
    ended[1] = having(a_trial(1, (8,), [0.5]), x=0.25, y=0.6, part=0.2)
    (last,) = asked(experiment, ended, free=1)
    assert last.hyperparameters == {"x": 0.25, "y": 0.6, "part": 1.0}
