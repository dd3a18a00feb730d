"""The operator's process, where the machine is not what a developer's is."""

from __future__ import annotations

import asyncio
import getpass
from typing import Any
from unittest.mock import create_autospec

import kopf
import pytest

from population_operator.app.operator import main
from population_operator.app.operator.controller import Controller
from population_operator.app.operator.settings import Settings


async def _kopf_begins(settings: Settings) -> None:
    stopped = asyncio.Event()
    stopped.set()
    await main._kopf(create_autospec(Controller, instance=True), settings, stopped, stopped)


def test_who_fails_to_take_the_lease_does_not_lead() -> None:
    async def fails() -> None:
        raise OSError("cut off")

    async def takes() -> None:
        pass

    with pytest.raises(OSError, match="cut off"):
        asyncio.run(main._first(fails(), asyncio.Event()))
    assert asyncio.run(main._first(takes(), asyncio.Event()))


def test_who_waits_for_the_lease_can_be_stopped() -> None:
    async def waits() -> bool:
        stopped = asyncio.Event()
        stopped.set()
        return await main._first(asyncio.Event().wait(), stopped)

    assert not asyncio.run(asyncio.wait_for(waits(), 10))


def test_a_uid_without_a_name_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: uid 65532 stands in no /etc/passwd."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    begun: list[Any] = []

    async def run_tasks(tasks: Any, **_: Any) -> None:
        begun.extend(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(kopf, "run_tasks", run_tasks)
    monkeypatch.delenv("POD_ID", raising=False)
    asyncio.run(_kopf_begins(Settings.read(master_file="/nowhere", own_namespace="here")))
    assert begun
