"""Async tests without a plugin: each has its own event loop, and a bound on its time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS = 90.0
"""How long a test of this suite may take before it counts as stuck."""


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test to its end; the fixtures that it names are those that it gets."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), SECONDS))

    return run


async def until(
    condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 20.0, pause: float = 0.01
) -> None:
    """Wait for a condition of the real world, asking every `pause` seconds, for a bounded time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await condition():
        if loop.time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(pause)


@contextmanager
def ticking() -> Iterator[list[int]]:
    """Grows each time that the event loop turns: what never gives way leaves it empty."""
    ticks: list[int] = []

    async def tick() -> None:
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(tick())
    try:
        yield ticks
    finally:
        task.cancel()
