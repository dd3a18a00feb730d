"""Families of scikit-learn's models, each with its own hyperparameters, trained in increments.

A step is an epoch of the linear and the neural models, four trees of a forest, two rounds of
boosting: about as much work in each of them.
"""

from collections.abc import Mapping
from typing import Any

from data import Split
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

GROWTH = {"trees": 4, "boosting": 2}
"""Estimators that a step adds."""


def build(family: str, values: Mapping[str, Any], seed: int) -> Any:
    """A model that has not been trained; without `values`, with scikit-learn's defaults."""
    match family:
        case "linear":
            # The default, hinge, has no probabilities.
            return SGDClassifier(loss="log_loss", random_state=seed, **values)
        case "neural":
            return MLPClassifier(random_state=seed, **_neural(values))
        case "trees":
            return ExtraTreesClassifier(0, warm_start=True, random_state=seed, **values)
        case "boosting":
            return GradientBoostingClassifier(
                n_estimators=0, warm_start=True, random_state=seed, **values
            )
    raise ValueError(f"no such family: {family}")


def chosen(hyperparameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The family of a configuration, and the arguments: `trees.max_depth` is its `max_depth`."""
    family = hyperparameters["family"]
    prefix = f"{family}."
    return family, {
        name.removeprefix(prefix): value
        for name, value in hyperparameters.items()
        if name.startswith(prefix)
    }


def train(model: Any, family: str, data: Split, steps: int) -> None:
    """Train so many steps more."""
    if family in GROWTH:
        model.n_estimators += GROWTH[family] * steps
        model.fit(data.pictures, data.labels)
        return
    for _ in range(steps):
        model.partial_fit(data.pictures, data.labels, classes=range(10))


def _neural(values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    if "width" in found:
        found["hidden_layer_sizes"] = (found.pop("width"),)
    return found
