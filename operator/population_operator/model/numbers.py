"""Numbers as they stand in a journal."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import PlainSerializer


def finite_or_text(value: float) -> float | str:
    """`nan`, `inf` and `-inf` as words: neither JSON nor the API server has the numbers."""
    return value if math.isfinite(value) else str(value)


Number = Annotated[
    float, PlainSerializer(finite_or_text, return_type=float | str, when_used="json")
]
"""A float that survives JSON."""
