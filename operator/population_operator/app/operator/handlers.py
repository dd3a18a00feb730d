"""The handlers that kopf calls. They wake keys, and know nothing else.

No daemons, timers or change handlers: these put a finalizer on the object, which could then not be
deleted while the operator is away.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import kopf

from population_operator.adapters.kubernetes.names import GROUP, VERSION
from population_operator.app.operator.controller import Controller


def by_address(
    connection: kopf.ConnectionInfo | None, env: Mapping[str, str]
) -> kopf.ConnectionInfo | None:
    """The API server where every Pod is told that it is: its name would need DNS."""
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT", "443")
    if connection is None or not host:
        return connection
    return replace(connection, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def registry(controller: Controller) -> kopf.OperatorRegistry:
    """A registry of our own, so that two operators fit into one process (in tests)."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True  # Needs rights on CRDs and namespaces, and helps nobody.
        settings.watching.server_timeout = 240
        settings.watching.client_timeout = 270
        settings.watching.connect_timeout = 10
        settings.peering.standalone = True

    @kopf.on.login(registry=handlers)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        found = kopf.login_with_service_account(**arguments)
        return by_address(found, os.environ) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.event(GROUP, VERSION, "populationexperiments", registry=handlers)
    async def experiment(namespace: str | None, name: str | None, **_: Any) -> None:
        if namespace and name:
            controller.wake(namespace, name)

    return handlers
