"""How often an algorithm fits its process."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest


def counted_fits(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[int]:
    """The rows of each fit that `module` makes from now on."""
    rows: list[int] = []
    original = module.fit

    def counting(inputs: Any, targets: Any, prior: Any) -> Any:
        rows.append(len(targets))
        return original(inputs, targets, prior)

    monkeypatch.setattr(module, "fit", counting)
    return rows
