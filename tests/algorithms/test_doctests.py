"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from population_operator import algorithms

MODULES = sorted(module.name for module in pkgutil.iter_modules(algorithms.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    module = importlib.import_module(f"{algorithms.__name__}.{name}")
    assert doctest.testmod(module).failed == 0
