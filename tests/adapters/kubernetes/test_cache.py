"""How often everything is listed again where watches do not work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from population_operator.adapters.kubernetes import cache as module
from population_operator.adapters.kubernetes.cache import FIRST_RETRY, LAST_RETRY, Cache
from population_operator.adapters.kubernetes.client import UnreachableError

TRIES = 8

Watch = Callable[[], AsyncIterator[tuple[str, dict[str, Any]]]]


async def fails() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    raise UnreachableError("the proxy takes no watches")
    yield


async def ends() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    return
    yield


async def shows_one() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    yield "ADDED", {"metadata": {"name": "x", "resourceVersion": "2"}}
    raise UnreachableError("broken")


class Server:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": "1"}, "items": []}

    def watch(self, path: str, version: str, **query: str) -> Any:
        return self._watch()


def pauses(monkeypatch: pytest.MonkeyPatch, watch: Watch) -> list[float]:
    """Seconds between two lists, of which none is waited for."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)
        if len(found) == TRIES:
            raise asyncio.CancelledError

    async def run() -> None:
        cache = Cache(Server(watch), ("/pods",), "", lambda old, new: None)  # type: ignore[arg-type]
        monkeypatch.setattr(module.asyncio, "sleep", sleep)
        monkeypatch.setattr(module.random, "uniform", lambda low, high: high)
        with pytest.raises(asyncio.CancelledError):
            await cache._follow("/pods")

    asyncio.run(asyncio.wait_for(run(), 10))
    return found


@pytest.mark.parametrize("watch", [fails, ends])
def test_where_no_watch_works_lists_become_rare(
    monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    found = pauses(monkeypatch, watch)
    assert found == [min(FIRST_RETRY * 2**n, LAST_RETRY) for n in range(TRIES)]


def test_after_a_watch_that_worked_it_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses(monkeypatch, shows_one) == [FIRST_RETRY] * TRIES


def test_one_that_shows_nothing_for_long_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORT_WATCH", 0.0)
    assert pauses(monkeypatch, fails) == [FIRST_RETRY] * TRIES
