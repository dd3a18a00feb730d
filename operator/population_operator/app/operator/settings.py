"""Settings from flags and environment."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "POPULATION_OPERATOR_"


class InvalidSettingError(ValueError):
    """A setting that cannot be used; the message names it and says what to write."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, with what it means.

    Attributes:
      namespaces: the namespaces to watch; empty: the whole cluster.
      own_namespace: where the Lease and the master Secret are.
      identity: this replica's name in the Lease.
      workers: experiments reconciled at once.
      master_file: a file with the master secret (at least 32 bytes).
      host, port: where `/livez`, `/readyz` and `/metrics` are served.
      kubeconfig: outside a cluster; none for the usual places.
    """

    namespaces: tuple[str, ...] = ()
    own_namespace: str = "default"
    identity: str = ""
    workers: int = 8
    master_file: Path = Path("/var/run/secrets/population-operator/master")
    host: str = "0.0.0.0"  # noqa: S104  Probes come from the node.
    port: int = 8080
    kubeconfig: str | None = None
    log_level: str = "INFO"

    @classmethod
    def read(cls, env: Mapping[str, str] = os.environ, **flags: object) -> Settings:
        """Flags that are given, else `POPULATION_OPERATOR_*`, else the defaults.

        Raises:
          InvalidSettingError: one of them cannot be used.
        """
        given = {name: value for name, value in flags.items() if value is not None}

        def text(name: str, default: str) -> str:
            return str(given.get(name, env.get(PREFIX + name.upper(), default)))

        def number(name: str, default: int) -> int:
            value = text(name, str(default))
            if not value.isdigit() or int(value) < 1:
                raise InvalidSettingError(f"{name}: must be a whole number from 1, got {value!r}")
            return int(value)

        level = text("log_level", cls.log_level).upper()
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise InvalidSettingError(
                f"log_level: must be debug, info, warning or error, got {level!r}"
            )
        names = text("namespaces", "")
        return cls(
            namespaces=tuple(name.strip() for name in names.split(",") if name.strip()),
            own_namespace=text("own_namespace", env.get("POD_NAMESPACE", cls.own_namespace)),
            identity=text("identity", env.get("POD_NAME", socket.gethostname())),
            workers=number("workers", cls.workers),
            master_file=Path(text("master_file", str(cls.master_file))),
            host=text("host", cls.host),
            port=number("port", cls.port),
            kubeconfig=text("kubeconfig", "") or None,
            log_level=level,
        )

    def master(self) -> bytes:
        """The master secret.

        Raises:
          InvalidSettingError: it is not there, or too short.
        """
        try:
            secret = self.master_file.read_bytes()
        except OSError as error:
            raise InvalidSettingError(
                f"master_file: {self.master_file}: {error.strerror}: give one with 32 random bytes"
            ) from None
        if len(secret) < 32:
            raise InvalidSettingError(
                f"master_file: {self.master_file} has {len(secret)} bytes: it needs 32"
            )
        return secret
