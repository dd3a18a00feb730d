"""PB2 in whole runs, on the simulation runtime."""

from __future__ import annotations

import pytest

from population_operator.app.simulate import simulate
from population_operator.core.verify import verify
from population_operator.model.entry import Decided, Phase
from tests.builders import a_choice, a_float, an_experiment, an_integer
from tests.simulation.programs import Climb

SPACE = (
    a_float("lr", 1e-4, 1.0, log=True),
    an_integer("batch", 16, 256, log=True),
    a_choice("optimizer", "adam", "sgd"),
)


@pytest.mark.parametrize("nan_rate", [0.0, 0.3])
@pytest.mark.parametrize("synchronous", [True, False])
def test_a_run_completes_within_bounds_and_verifies(nan_rate: float, synchronous: bool) -> None:
    builder = an_experiment().parameters(*SPACE).size(4).steps(5, 60).seed(3)
    builder = builder.set("spec.algorithm", {"pb2": {}})
    experiment = (builder.synchronous() if synchronous else builder).build()
    state, entries = simulate(experiment, Climb(nan_rate), as_text=True)
    assert state.phase is Phase.COMPLETE
    assert verify(entries).divergence is None
    decided = [e.decision for entry in entries for e in entry.decided if isinstance(e, Decided)]
    assert any(decision.kind == "exploit" for decision in decided)
    for decision in decided:
        values = decision.hyperparameters
        assert 1e-4 <= float(values["lr"]) <= 1.0
        assert values["batch"] in range(16, 257)
        assert values["optimizer"] in ("adam", "sgd")
    assert simulate(experiment, Climb(nan_rate), as_text=True)[1] == entries or nan_rate


def test_it_climbs_faster_than_random_search() -> None:
    """The score rises with lr: after a few intervals the explored rates are high."""
    best = {}
    for name in ("pb2", "random"):
        scores = []
        for seed in range(8):
            builder = an_experiment().size(4).steps(5, 100).seed(seed).synchronous()
            experiment = builder.set("spec.algorithm", {name: {}}).build()
            state, _ = simulate(experiment, Climb())
            assert state.best is not None
            scores.append(state.best.score)
        best[name] = sum(scores) / len(scores)
    assert best["pb2"] > 1.5 * best["random"]
