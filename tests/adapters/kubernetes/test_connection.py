"""The connection to a Pod: who speaks the contract is never scraped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from population_operator.adapters.kubernetes import connection as module
from population_operator.adapters.kubernetes.connection import Connection
from population_operator.adapters.worker import scrape
from population_operator.adapters.worker.credentials import derive
from population_operator.core.desired import DesiredWorker
from population_operator.model.entry import Reported
from tests.adapters.worker.server import FakeWorker
from tests.conformance.fleet_driver import a_directive
from tests.conformance.loop import in_a_loop, until

CREDENTIALS = derive(bytes(32), "uid-1")
PATIENCE = 0.2


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", PATIENCE)
    monkeypatch.setattr(scrape, "SCRAPE_SECONDS", 0.02)


class Page:
    """A metrics port. `asked` counts the scrapes; an answer waits for `open`."""

    def __init__(self, text: str) -> None:
        self.text, self.asked, self.open = text, 0, asyncio.Event()
        self.open.set()

    async def get(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.open.wait()
        return web.Response(text=self.text)

    @asynccontextmanager
    async def serve(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Page]:
        app = web.Application()
        app.router.add_get("/metrics", self.get)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setattr(module, "METRICS_PORT", runner.addresses[0][1])
        try:
            yield self
        finally:
            await runner.cleanup()


@asynccontextmanager
async def connected(
    monkeypatch: pytest.MonkeyPatch, control: int, cursor: int, warm: bool = True
) -> AsyncIterator[Connection]:
    monkeypatch.setattr(module, "CONTROL_PORT", control)
    worker = DesiredWorker("w0", 1, "uid", a_directive(7, 600), cursor)
    async with aiohttp.ClientSession() as session:
        connection = Connection(session, "127.0.0.1", CREDENTIALS, "loss", worker, int, warm=warm)
        connection.start()
        try:
            yield connection
        finally:
            await connection.close()


@pytest.mark.parametrize("hangs", [False, True])
@in_a_loop
async def test_one_that_has_spoken_is_not_scraped_without_news_or_though_it_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """Its metrics are of its last report: another operator would take them for a new one."""
    worker = FakeWorker(CREDENTIALS, hangs=hangs)
    for step in (1, 2, 3):
        worker.report(step)
    page = Page("population_report_step 500\nloss 1\n")
    async with (
        worker.serve(tmp_path),
        page.serve(monkeypatch),
        connected(monkeypatch, worker.port, cursor=3) as connection,
    ):
        await asyncio.sleep(3 * PATIENCE)  # Nothing is to happen.
        assert (connection.warm, connection.answered, connection.events) == (True, not hangs, [])
        assert page.asked == 0


@in_a_loop
async def test_one_that_is_known_to_have_nothing_but_metrics_is_scraped_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another operator judges it soon."""
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    page = Page("population_report_step 500\nloss 1\n")
    async with (
        page.serve(monkeypatch),
        connected(monkeypatch, 9, cursor=3, warm=False) as connection,
    ):

        async def is_told() -> bool:
            return connection.answered and len(connection.events) == 1

        await until(is_told, "its report", seconds=10)
        assert not connection.warm


@in_a_loop
async def test_one_that_answers_while_it_is_scraped_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = FakeWorker(CREDENTIALS)
    async with worker.serve(tmp_path):
        pass  # Its port is known, and closed for now.
    page = Page("population_report_step 500\nloss 1\n")
    page.open.clear()
    async with (
        page.serve(monkeypatch),
        connected(monkeypatch, worker.port, cursor=0) as connection,
    ):

        async def is_scraped() -> bool:
            return page.asked > 0

        async def answers() -> bool:
            return connection.answered

        await until(is_scraped, "it is scraped", seconds=10)
        async with worker.serve(tmp_path):
            await until(answers, "it answers", seconds=10)
            page.open.set()
            await asyncio.sleep(3 * PATIENCE)  # Nothing is to happen.
            assert (connection.warm, connection.events) == (True, [])


@in_a_loop
async def test_metrics_of_another_directive_are_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page("population_report_step 500\nloss 1\npopulation_directive_id 6\n")
    async with page.serve(monkeypatch), connected(monkeypatch, 9, cursor=0) as connection:

        async def is_scraped() -> bool:
            return not connection.warm and page.asked > 3

        async def is_told() -> bool:
            return len(connection.events) == 1

        await until(is_scraped, "it is scraped", seconds=10)
        assert connection.events == []
        page.text = page.text.replace("id 6", "id 7")
        await until(is_told, "its report", seconds=10)
        (event,) = connection.events
        assert isinstance(event, Reported)
        assert event.report.step == 500


@in_a_loop
async def test_what_its_metrics_lack_is_a_problem_until_they_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before it is known that there is nothing else, and afterwards."""
    good = "population_report_step 500\nloss 1\n"
    page = Page("<html>")
    async with page.serve(monkeypatch), connected(monkeypatch, 9, cursor=0) as connection:

        async def told() -> bool:
            return connection.problem is not None

        async def fine() -> bool:
            return not connection.warm and connection.problem is None

        for text, words in (
            ("<html>", "w0: its metrics cannot be read"),
            (good + 'loss{split="val"} 2\n', "w0: its metrics have 2 series of loss"),
        ):
            page.text = text
            await until(told, words, seconds=10)
            assert connection.problem is not None
            assert connection.problem.reason == "MetricMissing"
            assert connection.problem.message.startswith(words)
            page.text = good
            await until(fine, "all is well", seconds=10)


@in_a_loop
async def test_what_metrics_lack_is_no_problem_of_one_that_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, page = FakeWorker(CREDENTIALS), Page("<html>")
    async with worker.serve(tmp_path):
        pass  # Its port is known, and closed for now.
    async with (
        page.serve(monkeypatch),
        connected(monkeypatch, worker.port, cursor=0) as connection,
    ):

        async def told() -> bool:
            return connection.problem is not None

        async def fine() -> bool:
            return connection.answered and connection.problem is None

        await until(told, "it is scraped in vain", seconds=10)
        async with worker.serve(tmp_path):
            await until(fine, "it answers", seconds=10)
