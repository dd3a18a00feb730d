"""Conditional spaces in every algorithm whose members are trials: exactly what is active is set."""

from __future__ import annotations

from typing import Any

import pytest

from population_operator.app.simulate import simulate
from population_operator.core.verify import verify
from population_operator.model.decision import DecisionKind
from population_operator.model.entry import Decided, Phase
from population_operator.model.space import Hyperparameters
from tests.algorithms.bandits import a_bandit
from tests.builders import a_choice, a_float, an_integer, when

SPACE = (
    a_choice("family", "linear", "neural"),
    a_float("alpha", 1e-4, 1.0, log=True, when=when("family", "linear")),
    a_choice("loss", "hinge", "log", when=when("family", "linear")),
    an_integer("width", 8, 64, log=True, when=when("family", "neural")),
)
ACTIVE = {"linear": {"family", "alpha", "loss"}, "neural": {"family", "width"}}
BLOCKS: dict[str, tuple[int | None, dict[str, Any]]] = {
    "successiveHalving": (27, {}),
    "hyperband": (None, {}),
    "hyperband by a process": (None, {"sampler": "gaussianProcess"}),
    "asha": (40, {}),
    "asha by a process": (40, {"sampler": "gaussianProcess"}),
    "bohb": (None, {}),
    "fabolas": (16, {}),
    "bayesian": (16, {}),
    "tpe": (16, {"startupTrials": 5}),
    "grid": (None, {"points": 3}),
}


class Families:
    """The neural ones are better, and the wider the better."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> int:
        return 0

    def train(
        self, weights: int, it: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[int, float]:
        assert set(it) == ACTIVE[str(it["family"])]
        reached = 1.0 - 0.5 ** (weights + until - step)
        if it["family"] == "neural":
            return weights + until - step, reached * (0.5 + float(it["width"]) / 128)
        return weights + until - step, reached * (0.6 - abs(float(it["alpha"]) - 0.01))


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_active_is_set_and_nothing_else(name: str) -> None:
    if name == "tpe":
        pytest.importorskip("optuna")
    size, fields = BLOCKS[name]
    built = a_bandit(name.split()[0], size, workers=2, **fields).steps(1, 9).parameters(*SPACE)
    state, entries = simulate(built.build(), Families())
    assert state.phase is Phase.COMPLETE
    assert verify(entries).divergence is None
    begun = [
        event.decision
        for entry in entries
        for event in entry.decided
        if isinstance(event, Decided) and event.decision.kind is DecisionKind.START
    ]
    families = {str(decision.hyperparameters["family"]) for decision in begun}
    assert families == {"linear", "neural"}
    for decision in begun:
        assert set(decision.hyperparameters) == ACTIVE[str(decision.hyperparameters["family"])]
    assert state.best is not None
    assert state.members[state.best.member].decision.hyperparameters["family"] == "neural"
