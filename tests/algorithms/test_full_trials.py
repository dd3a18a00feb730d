"""Grid, Bayesian optimisation and TPE: each trial is trained to the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from population_operator.algorithms import tpe
from population_operator.algorithms.acquisition import log_h, most_promising, value
from population_operator.algorithms.base import MissingLibrary
from population_operator.algorithms.grid_search import cells_of
from population_operator.algorithms.surrogate import Surrogate, standardised
from population_operator.algorithms.tpe import TreeParzen
from population_operator.api.trial_rules import grid_size
from population_operator.api.trials import Acquisition
from population_operator.app.simulate import simulate
from population_operator.core.verify import verify
from population_operator.model.entry import Phase
from population_operator.model.key import Key
from population_operator.model.space import Hyperparameters, sample
from tests.algorithms.bandits import a_bandit
from tests.builders import a_choice, a_float, a_state, an_integer, when

CASH = (
    a_choice("family", "svm", "forest"),
    a_float("c", 0.01, 100, log=True, when=when("family", "svm")),
    an_integer("depth", 1, 3, when=when("family", "forest")),
    a_float("noise", 0, 1),
)


@dataclass(frozen=True)
class Bowl:
    """The loss is the distance from a point; `broken` configurations have none."""

    broken: float = 2.0

    def start(self, hyperparameters: Hyperparameters, seed: int) -> None:
        return None

    def train(self, weights: None, it: Hyperparameters, step: int, until: int, seed: int) -> Any:
        if it["family"] == "svm":
            loss = 0.1 + abs(math.log10(float(it["c"])) - 1.0)
        else:
            loss = abs(int(it["depth"]) - 2) + (float(it["noise"]) - 0.3) ** 2
        return None, float("nan") if float(it["noise"]) > self.broken else loss


def built(block: str, size: int | None = None, **fields: Any) -> Any:
    experiment = a_bandit(block, size, workers=2, **fields).parameters(*CASH).minimize()
    return experiment.steps(1, 2)


def test_a_grid_has_every_active_combination_once() -> None:
    experiment = built("grid", points=4).build()
    cells = cells_of(experiment)
    assert len(cells) == (4 + 3) * 4 == grid_size(experiment.spec.parameters, 4)
    assert len({tuple(cell.items()) for cell in cells}) == len(cells)
    active = {tuple(cell) for cell in cells}
    assert active == {("family", "c", "noise"), ("family", "depth", "noise")}
    state, entries = simulate(experiment, Bowl())
    assert state.phase is Phase.COMPLETE and len(state.members) == 28
    assert all(member.step == 2 for member in state.population)
    assert verify(entries).divergence is None
    assert state.best is not None
    assert state.members[state.best.member].decision.hyperparameters["depth"] == 2


def test_size_takes_the_first_combinations() -> None:
    assert len(cells_of(built("grid", 5).build())) == 5


def test_no_more_combinations_are_made_than_are_tried() -> None:
    many = tuple(a_float(f"x{i}", 0, 1) for i in range(30))  # 5^30 of them.
    found = cells_of(a_bandit("grid", 7).parameters(*many).build())
    assert [cell["x29"] for cell in found] == [0.0, 0.25, 0.5, 0.75, 1.0, 0.0, 0.25]
    assert [cell["x28"] for cell in found] == [0.0] * 5 + [0.25] * 2


@pytest.mark.parametrize("acquisition", list(Acquisition))
def test_bayesian_optimisation_finds_the_bowls_ground(acquisition: Acquisition) -> None:
    experiment = built("bayesian", 25, acquisition=acquisition, initialPoints=6).build()
    state, entries = simulate(experiment, Bowl(0.9))
    assert state.best is not None and state.best.score < 0.02
    assert verify(entries).divergence is None


def test_tpe_finds_it_too() -> None:
    pytest.importorskip("optuna")
    state, entries = simulate(built("tpe", 60).build(), Bowl(0.9))
    assert state.best is not None and state.best.score < 0.05
    assert len(state.members) == 60
    assert verify(entries).divergence is None


def test_tpe_without_optuna_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(tpe.importlib, "import_module", missing)
    with pytest.raises(MissingLibrary) as caught:
        tpe.optuna()
    assert str(caught.value) == (
        "spec.algorithm.tpe: needs Optuna: pip install 'population-operator[algorithms]'"
    )


def test_tpe_without_optuna_trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(tpe.importlib, "import_module", missing)
    experiment = built("tpe", 60).build()
    with pytest.raises(MissingLibrary):
        TreeParzen().decide(experiment, a_state(experiment), (), 2, Key.of(experiment))


def test_the_first_trials_need_no_model() -> None:
    experiment = built("tpe", 60).build()
    first = TreeParzen().decide(experiment, a_state(experiment), (), 2, Key.of(experiment))
    assert [d.until for d in first] == [None, None]


def test_ln_h_is_exact_where_it_is_small() -> None:
    mp = pytest.importorskip("mpmath")
    for z in (-300.0, -40.0, -20.1, -19.9, -5.0, -0.1, 0.0, 2.0):
        exact = mp.log(mp.npdf(z) + mp.mpf(z) * mp.ncdf(z))
        assert float(log_h(np.array([z]))[0]) == pytest.approx(float(exact), rel=1e-4)


def test_log_ei_is_the_logarithm_of_ei() -> None:
    mean, sd = np.linspace(-2, 2, 9), np.full(9, 0.7)
    ei = value(Acquisition.EI, mean, sd, 0.5, 2.0)
    assert np.log(ei) == pytest.approx(value(Acquisition.LOG_EI, mean, sd, 0.5, 2.0))
    assert (np.diff(ei) > 0).all()


def test_what_is_pending_is_not_proposed_again() -> None:
    space = a_bandit("bayesian", 9).parameters(a_choice("c", "a", "b", "d")).build().spec.parameters
    known = [{"c": "a"}, {"c": "b"}]

    def score(pool: Any) -> Any:
        return np.array([-float(values["c"] == "d") for values in pool])

    found = most_promising(space, score, known, np.random.default_rng(0))
    assert found == {"c": "d"}


def test_the_surrogate_passes_through_what_it_saw() -> None:
    space = built("bayesian", 9).build().spec.parameters
    rng = np.random.default_rng(0)
    tried = [sample(space, rng) for _ in range(40)]
    merits = np.array([-((float(v["noise"]) - 0.3) ** 2) for v in tried])
    surrogate = Surrogate.of(space, tried, merits)
    mean, _ = surrogate.predict(tried)
    assert np.corrcoef(mean, standardised(merits))[0, 1] > 0.98


def test_targets_are_finite_whatever_the_scores_are() -> None:
    assert standardised(np.array([-np.inf, -np.inf])).tolist() == [0.0, 0.0]
    assert standardised(np.array([1.0, 1.0])).tolist() == [0.0, 0.0]
    found = standardised(np.array([-np.inf, 1.0, 2.0]))
    assert found[0] == found[1] < found[2]
