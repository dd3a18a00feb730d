"""The operator's process: probes, then the lease, then the work; it ends when the lease is lost."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import kopf
from kopf._core.engines.peering import Identity

from population_operator.adapters.kubernetes.client import Client
from population_operator.app.operator.controller import Controller
from population_operator.app.operator.handlers import registry
from population_operator.app.operator.lease import Lease
from population_operator.app.operator.server import Health, serve
from population_operator.app.operator.settings import InvalidSettingError, Settings

log = logging.getLogger(__name__)

LEASE = "population-operator"
KOPF_SECONDS = 8.0


def run(settings: Settings) -> int:
    """Run until stopped (0) or the lease is lost (1)."""
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        master = settings.master()
    except InvalidSettingError as error:
        print(f"population operator: {error}", file=sys.stderr)
        return 2
    if settings.kubeconfig:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # Where kopf looks.
    return asyncio.run(_run(settings, master))


async def _run(settings: Settings, master: bytes) -> int:
    stopped = asyncio.Event()
    _listen_to_signals(stopped)
    client = await Client.connect(settings.kubeconfig)
    health = Health()
    server = await serve(health, settings.host, settings.port)
    lease = Lease(client, settings.own_namespace, LEASE, settings.identity)
    try:
        if not await _first(lease.acquire(), stopped):
            return 0
        code = await _lead(settings, master, client, health, lease, stopped)
        if code == 0:
            await lease.release()
        return code
    finally:
        await server.cleanup()
        await client.close()


async def _lead(
    settings: Settings,
    master: bytes,
    client: Client,
    health: Health,
    lease: Lease,
    stopped: asyncio.Event,
) -> int:
    controller = health.controller = Controller(client, settings, master)
    work = asyncio.create_task(controller.run(), name="controller")
    enough = asyncio.Event()
    watch = asyncio.create_task(_kopf(controller, settings, enough, stopped), name="kopf")
    held = asyncio.create_task(lease.hold(), name="lease")
    stop = asyncio.create_task(stopped.wait(), name="stop")
    done, _ = await asyncio.wait({work, watch, held, stop}, return_when=asyncio.FIRST_COMPLETED)
    for task in done - {stop}:
        log.error("%s ended: %r", task.get_name(), task.exception())
    await _cancelled(work, held, stop)
    # Asked to end, kopf closes what it opened; cancelled, it does not. It comes last: it takes
    # every task that is younger than itself for its own.
    enough.set()
    await asyncio.wait({watch}, timeout=KOPF_SECONDS)
    await _cancelled(watch)
    return 0 if stop in done else 1


async def _kopf(
    controller: Controller, settings: Settings, enough: asyncio.Event, stopped: asyncio.Event
) -> None:
    older = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry(controller),
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        # Left to itself, kopf asks for the user's name, and in a container the uid may have none.
        identity=Identity(settings.identity),
        stop_flag=enough,
    )
    _listen_to_signals(stopped)  # kopf has taken them, and would end before us.
    await kopf.run_tasks(tasks, ignored=older)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _listen_to_signals(stopped: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)


async def _first(action: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """Whether `action` ended before the process was told to stop; its error, where it had one."""
    work = asyncio.create_task(action)
    stop = asyncio.create_task(stopped.wait())
    done, pending = await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    await _cancelled(*pending)
    if work not in done:
        return False
    work.result()
    return True
