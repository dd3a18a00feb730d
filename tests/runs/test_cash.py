"""The example that chooses among families: its models go on exactly where a checkpoint ends."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "cash"
NAMES = ("data", "families", "train")
VALUES: dict[str, dict[str, Any]] = {
    "linear": {"linear.alpha": 1e-4, "linear.penalty": "l1"},
    "neural": {"neural.width": 32, "neural.batch_size": 64},
    "trees": {"trees.criterion": "entropy", "trees.max_features": 0.2},
    "boosting": {"boosting.learning_rate": 0.3, "boosting.max_features": 0.1},
}


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    """The example's program, whose modules have names that others use, too."""
    pytest.importorskip("skops")
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    sys.path.insert(0, str(EXAMPLE))
    yield importlib.import_module("train")
    sys.path.remove(str(EXAMPLE))
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


@pytest.mark.parametrize("family", VALUES)
def test_a_model_goes_on_from_its_checkpoint(example: Any, family: str, tmp_path: Path) -> None:
    families = sys.modules["families"]
    data, valid, _ = example.load()
    kind, values = families.chosen({"family": family, **VALUES[family], "other.x": 1})
    assert kind == family and set(values) == {name.split(".")[1] for name in VALUES[family]}
    kept = example.State(families.build(kind, values, seed=1))
    families.train(kept.model, family, data, 2)
    kept.save(tmp_path)
    fresh = example.State(families.build(kind, values, seed=2))
    fresh.load(tmp_path, "promote")
    for state in (kept, fresh):
        families.train(state.model, family, data, 2)
    assert np.array_equal(kept.model.predict(valid.pictures), fresh.model.predict(valid.pictures))
    assert example.measure(fresh.model, valid)[1] > 0.2


def test_a_checkpoint_of_another_type_is_refused(example: Any, tmp_path: Path) -> None:
    import skops.io

    class Anything:
        pass

    skops.io.dump({"model": Anything}, tmp_path / example.MODEL)
    with pytest.raises(Exception, match=r"(?i)untrusted"):
        example.State(None).load(tmp_path, "resume")
