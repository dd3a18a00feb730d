"""Scalar types as the API server reads them: no string is a number here, and no number a string."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from population_operator.api.problems import quoted, refused, shown

LIMIT = 2**53 - 1
"""The largest whole number that JSON carries everywhere without loss."""

LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
METRIC = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"
IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$"
QUANTITY = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
DURATION = r"^([0-9]{1,9}(\.[0-9]{1,6})?[hms]|[0-9]{1,9}ms)+$"

PATTERNS = {
    LABEL: "must be a DNS label (lower-case letters, digits, `-`; no `-` at either end)",
    SUBDOMAIN: "must be a DNS name (lower-case letters, digits, `-` and `.`)",
    METRIC: "must be a Prometheus metric name (letters, digits, `_`, `:`; no digit first)",
    IDENTIFIER: "must begin with a letter or `_`, then letters, digits, `_`, `.`, `-`, at most 63",
}
"""What each pattern asks for, in words."""

_UNITS = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
_TERM = re.compile(r"([0-9.]+)(ms|[hms])")
_LONGEST = timedelta(hours=87600)


def whole_number(value: Any) -> Any:
    """1 and 1.0 are whole numbers; true, "1" and 1.5 are not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = ": remove the quotes" if _parses(value, int) else ""
        raise refused(f"must be a whole number, got {shown(value)}{hint}")
    if isinstance(value, float) and not value.is_integer():
        raise refused(f"must be a whole number, got {shown(value)}")
    return int(value)


def finite_number(value: Any) -> Any:
    """Integers and floats, but not NaN and the infinities."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = ": remove the quotes" if _parses(value, float) else ""
        raise refused(f"must be a number, got {shown(value)}{hint}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused(f"must be a finite number, got {shown(value)}")
    return number


def truth(value: Any) -> Any:
    """true and false, which YAML also spells `yes`, `on`, `no` and `off`."""
    if not isinstance(value, bool):
        raise refused(f"must be true or false, got {shown(value)}")
    return value


def text(value: Any) -> Any:
    """A string; numbers and booleans are not taken for one, as the API server does not either."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise refused(f"must be a string, got {shown(value)}: write it in quotes, {quoted(value)}")
    raise refused(f"must be a string, got {shown(value)}")


def duration(value: Any) -> Any:
    """`10m`, `1.5h`, `1h30m`, `90s`, `500ms`, as Go reads them; no shorter units than `ms`."""
    if isinstance(value, timedelta):
        found = value
    elif isinstance(value, str) and re.fullmatch(DURATION, value):
        terms = _TERM.findall(value)
        found = timedelta(microseconds=int(sum(Fraction(n) * _UNITS[u] for n, u in terms) * 10**6))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        raise refused(f"must be a duration with its unit, got {shown(value)}: `{shown(value)}s`?")
    else:
        got = f"got {shown(value)}{_meant(value)}"
        raise refused(f"must be a duration such as `10m`, `6h` or `1h30m`, {got}")
    if found <= timedelta(0):
        raise refused(f"must be longer than nothing, got {shown(value)}")
    if found > _LONGEST:
        raise refused(f"must be at most 87600h (ten years), got {shown(value)}")
    return found


def quantity(value: Any) -> Any:
    """`1`, `500m` and `16Gi` pass through as they are written."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        hint = f': write it in quotes, "{shown(value)}"' if isinstance(value, float) else ""
    elif isinstance(value, str):
        if re.fullmatch(QUANTITY, value):
            return value
        hint = _measured(value)
    elif value >= 0:
        return value
    else:
        raise refused(f"must be at least 0, got {value}")
    raise refused(f'must be a quantity such as 1, "500m" or 16Gi, got {shown(value)}{hint}')


def spelled(value: timedelta) -> str:
    """The duration as a manifest writes it; `duration` reads exactly the same value back."""
    microseconds = value // timedelta(microseconds=1)
    hours, rest = divmod(microseconds, 3600 * 10**6)
    minutes, rest = divmod(rest, 60 * 10**6)
    seconds, fraction = divmod(rest, 10**6)
    tail = f"{seconds}.{fraction:06}".rstrip("0") if fraction else str(seconds)
    parts = (f"{hours}h" * bool(hours), f"{minutes}m" * bool(minutes), f"{tail}s" * bool(rest))
    return "".join(parts) or "0s"


def _meant(value: Any) -> str:
    """What to write for `10 minutes`, `2 days` or `1d`."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*(d|h|m|s)[a-z]*\.?\s*", str(value).lower())
    if not found:
        return ""
    number, unit = int(found[1]), found[2]
    return f": write `{number * 24}h`" if unit == "d" else f": write `{number}{unit}`"


def _measured(value: str) -> str:
    """What to write for `16 GB`, `500 m` or `1x`."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", value)
    if not found:
        return ""
    size = re.fullmatch(r"([kmgtp])(i?b)?", found[2].lower())
    if found[2] == "m" or size is None:
        return f": write {found[1]}{'m' * (found[2] == 'm')}"
    return f": write {found[1]}{size[1].upper()}i"


def _parses(value: Any, kind: type[int] | type[float]) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(kind(value))
    except (ValueError, OverflowError):
        return False


WHOLE = BeforeValidator(whole_number)
REAL = BeforeValidator(finite_number)
TEXT = BeforeValidator(text)

Whole = Annotated[int, Field(ge=-LIMIT, le=LIMIT), WHOLE]
Real = Annotated[float, REAL]
Flag = Annotated[bool, BeforeValidator(truth)]
Text = Annotated[str, TEXT]
Line = Annotated[str, Field(min_length=1, max_length=1024), TEXT]
Label = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL), TEXT]
MetricName = Annotated[str, Field(min_length=1, max_length=128, pattern=METRIC), TEXT]
Identifier = Annotated[str, Field(min_length=1, max_length=63, pattern=IDENTIFIER), TEXT]
Quantity = Annotated[
    int | str,
    BeforeValidator(quantity),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "minimum": 0, "pattern": QUANTITY}),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(spelled, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION, "maxLength": 64}),
]
