"""Numbers as they stand in a journal."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import PlainSerializer


def _finite_or_text(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


Number = Annotated[
    float, PlainSerializer(_finite_or_text, return_type=float | str, when_used="json")
]
"""A float that survives JSON: `nan`, `inf` and `-inf` are written as text, which JSON can carry."""
