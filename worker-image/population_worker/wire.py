"""JSON as the contract writes it: non-finite numbers are the strings nan, inf and -inf."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from typing import NoReturn, TypeAlias

Value: TypeAlias = bool | int | float | str
"""What a hyperparameter can be."""

_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class InvalidMessage(ValueError):
    """A message that does not keep to the contract; the text starts with the path of the field."""


def dumps(message: object) -> str:
    """Write `message` as one compact line of JSON; raises ValueError for a bare nan or inf."""
    return json.dumps(message, allow_nan=False, separators=(",", ":"))


def loads(text: str | bytes) -> object:
    """Read JSON and refuse what is not JSON (NaN, Infinity, bad UTF-8) with `InvalidMessage`."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"body: not JSON: {error}") from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f'{constant} is not JSON: write the string "nan", "inf" or "-inf"')


def encode(number: Value) -> Value:
    """Replace a non-finite float by its string; leave everything else as it is."""
    if isinstance(number, float) and not math.isfinite(number):
        return "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"
    return number


def plain(value: object, path: str) -> Value:
    """Return a program's own value as a hyperparameter; a scalar of NumPy or PyTorch is unwrapped.

    Raises TypeError that names it.
    """
    if not isinstance(value, bool | int | float | str) and hasattr(value, "item"):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):  # It has several elements.
            value = value.item()
    if not isinstance(value, bool | int | float | str):
        raise TypeError(f"{path}: expected a boolean, number or string, got {value!r}")
    return value


def readable(text: str) -> str:
    """Return a text without what is no Unicode, such as a file's name of other bytes may have."""
    return text.encode(errors="backslashreplace").decode()


def fields(value: object, path: str) -> Mapping[str, object]:
    """Return `value` as a JSON object."""
    if not isinstance(value, dict):
        raise InvalidMessage(f"{path}: expected an object, got {_kind(value)}")
    return value


def items(value: object, path: str) -> list[object]:
    """Return `value` as a JSON array; null and a missing field are an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidMessage(f"{path}: expected an array, got {_kind(value)}")
    return value


def text(value: object, path: str) -> str:
    """Return `value` as a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise InvalidMessage(f"{path}: expected a string that is not empty, got {_kind(value)}")
    return value


def integer(value: object, path: str, *, at_least: int = 0, below: int = 2**63) -> int:
    """Return `value` as an integer in [at_least, below); a boolean is not one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidMessage(f"{path}: expected an integer, got {_kind(value)}")
    if not at_least <= value < below:
        raise InvalidMessage(f"{path}: {value} is outside of [{at_least}, {below})")
    return value


def number(value: object, path: str) -> int | float:
    """Return `value` as a number; reads "nan", "inf" and "-inf" back."""
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidMessage(f"{path}: expected a number, got {_kind(value)}")
    return value


def scalar(value: object, path: str) -> Value:
    """Return `value` as a hyperparameter: a boolean, number or string."""
    if not isinstance(value, bool | int | float | str):
        raise InvalidMessage(f"{path}: expected a boolean, number or string, got {_kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):  # JSON's 1e999
        raise InvalidMessage(f"{path}: {value} is not finite")
    return value


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return repr(value) if len(repr(value)) <= 40 else repr(value)[:37] + "..."
