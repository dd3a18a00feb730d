"""What failed with the API server, as the problems that an experiment's conditions name."""

from __future__ import annotations

from population_operator.adapters.kubernetes.client import ApiError, UnreachableError
from population_operator.api import Problem as Mistake
from population_operator.core.conditions import Problem


class TemplateRefusedError(Exception):
    """The server does not take what was made from a template of the user's."""

    def __init__(self, reason: str, problems: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.reason = reason


def explained(name: str, error: Exception) -> Problem:
    """What kept an object from being made, deleted or spoken to; `name` is that of the attempt."""
    text = str(error)
    if isinstance(error, UnreachableError):
        return Problem("ApiServerUnreachable", text)
    if isinstance(error, ApiError) and error.status == 403:
        reason = "QuotaExceeded" if "quota" in error.message else "Forbidden"
        return Problem(reason, f"{name}: {error.message}")
    if isinstance(error, ApiError) and error.reason == "AlreadyExists":
        return Problem("NameTaken", f"{name} is a Pod of something else: waiting until it is gone")
    if isinstance(error, TemplateRefusedError):
        return Problem(error.reason, text)
    return Problem("ApiError", f"{name}: {text}")
