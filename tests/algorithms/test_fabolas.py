"""FABOLAS: its kernel against scikit-learn's, and that small budgets pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from population_operator.algorithms.fabolas import Budgets, Fabolas
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
