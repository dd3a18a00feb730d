"""What the Gaussian process of final scores is fitted to, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from population_operator.algorithms import surrogate as module
from population_operator.algorithms.surrogate import most_telling
from population_operator.model.decision import DecisionKind
from tests.algorithms.bandits import a_bandit, a_trial, asked, named


def test_the_best_and_the_latest_tell_most() -> None:
    merits = np.array([9.0, 0.0, 1.0, 8.0, 2.0, 3.0])
    assert most_telling(merits, 4) == [0, 3, 4, 5]
    assert most_telling(merits, 6) == most_telling(merits, 9) == list(range(6))
    assert most_telling(merits, 0) == []


def test_the_process_is_fitted_once_for_all_trials_of_a_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    original = module.fit

    def counting(inputs: Any, targets: Any, prior: Any) -> Any:
        calls.append(len(targets))
        return original(inputs, targets, prior)

    monkeypatch.setattr(module, "fit", counting)
    experiment = a_bandit("bayesian", 25, initialPoints=4).minimize().build()
    done = [a_trial(i, (81,), [(i - 3) ** 2], lr=10 ** -(i / 3)) for i in range(8)]
    found = asked(experiment, done, free=3)
    assert named(found, DecisionKind.START) == [8, 9, 10]
    assert len({d.hyperparameters["lr"] for d in found}) == 3
    assert calls == [8]
    first = asked(experiment, done, free=1)
    later = asked(experiment, [*done, *_begun(first)], free=1)
    assert (*first, *later) == found[:2], "whether they start at once or in turn"


def _begun(decisions: Any) -> list[Any]:
    return [
        a_trial(int(d.member[1:]), (81,), [], lr=float(d.hyperparameters["lr"])) for d in decisions
    ]
