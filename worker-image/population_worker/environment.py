"""What the operator says to a worker at its start: the environment variables of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from population_worker import wire
from population_worker.directive import Directive, parse_directive


class InvalidEnvironment(ValueError):
    """A variable that is missing or wrong; the text starts with its name."""


@dataclass(frozen=True)
class Control:
    """Where to listen for the operator, and what proves who speaks."""

    host: str
    port: int
    token: str
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Environment:
    """One incarnation of a worker. `control` is None for a program that runs alone.

    Port 0 means any free one. `save_retry_seconds` bounds how long a full or read-only disk is
    waited for.
    """

    experiment: str = "alone"
    worker: str = "alone"
    incarnation: int = 1
    directive: Directive | None = None
    checkpoints: Path | None = None
    host: str = "0.0.0.0"  # noqa: S104 - a Pod is reached by its address
    metrics_port: int | None = None
    control: Control | None = None
    save_retry_seconds: float = 60.0


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the contract's variables; raises `InvalidEnvironment`."""
    control = _control(variables)
    checkpoints = variables.get("POPULATION_CHECKPOINTS")
    if control is None:
        if "POPULATION_DIRECTIVE" in variables:
            raise InvalidEnvironment(
                "POPULATION_TOKEN_FILE: not set, but POPULATION_DIRECTIVE is: an operator's "
                "worker needs both"
            )
    elif not checkpoints:
        raise InvalidEnvironment("POPULATION_CHECKPOINTS: not set: the folder for checkpoints")
    return Environment(
        experiment=variables.get("POPULATION_EXPERIMENT", "alone"),
        worker=variables.get("POPULATION_WORKER", "alone"),
        incarnation=_integer(variables, "POPULATION_INCARNATION", 1),
        directive=_directive(variables),
        checkpoints=Path(checkpoints) if checkpoints else None,
        host=_host(variables),
        metrics_port=_metrics_port(variables, alone=control is None),
        control=control,
        save_retry_seconds=_seconds(variables, "POPULATION_SAVE_RETRY_SECONDS", 60.0),
    )


def _control(variables: Mapping[str, str]) -> Control | None:
    token_file = variables.get("POPULATION_TOKEN_FILE")
    if not token_file:
        return None
    return Control(
        host=_host(variables),
        port=_integer(variables, "POPULATION_CONTROL_PORT", 8443),
        token=_token(Path(token_file)),
        certificate=_file(variables, "POPULATION_TLS_CERT_FILE"),
        key=_file(variables, "POPULATION_TLS_KEY_FILE"),
    )


def _host(variables: Mapping[str, str]) -> str:
    return variables.get("POPULATION_HOST") or Environment.host


def _metrics_port(variables: Mapping[str, str], *, alone: bool) -> int | None:
    """Return the port; alone there is none unless asked for, so that two programs can run."""
    if alone and "POPULATION_METRICS_PORT" not in variables:
        return None
    return _integer(variables, "POPULATION_METRICS_PORT", 9090)


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise InvalidEnvironment(f"POPULATION_TOKEN_FILE: {path}: {error}") from error
    if not token:
        raise InvalidEnvironment(f"POPULATION_TOKEN_FILE: {path}: is empty")
    return token


def _file(variables: Mapping[str, str], name: str) -> Path:
    path = Path(variables.get(name, ""))
    if not path.is_file():
        raise InvalidEnvironment(f"{name}: {variables.get(name, 'not set')}: no such file")
    return path


def _directive(variables: Mapping[str, str]) -> Directive | None:
    encoded = variables.get("POPULATION_DIRECTIVE")
    if not encoded:
        return None
    try:
        return parse_directive(wire.loads(encoded))
    except wire.InvalidMessage as error:
        raise InvalidEnvironment(f"POPULATION_DIRECTIVE: {error}") from error


def _integer(variables: Mapping[str, str], name: str, default: int) -> int:
    value = variables.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit()):
        raise InvalidEnvironment(f"{name}: {value!r} is not a whole number")
    return int(value)


def _seconds(variables: Mapping[str, str], name: str, default: float) -> float:
    try:
        seconds = float(variables.get(name) or default)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidEnvironment(f"{name}: {variables[name]!r} is not a number of seconds")
    return seconds
