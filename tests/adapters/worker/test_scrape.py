"""Metrics of programs that may export anything."""

from __future__ import annotations

import asyncio
import gzip
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from population_operator.adapters.worker import scrape as module
from population_operator.adapters.worker.scrape import Reading, Scraper, read, scrape
from population_operator.model.entry import Reported
from tests.conformance.fleet_driver import a_directive
from tests.conformance.loop import in_a_loop, until

GOOD = "population_report_step 500\nloss 1\n"


def test_the_score_is_the_report_s_or_the_objective_s() -> None:
    own = read(GOOD, "loss")
    assert own == Reading(500, 1.0, None, {"loss": 1.0})
    told = read(GOOD + "population_report_score 2\npopulation_checkpoint_step 500\n", "loss")
    assert told == Reading(500, 2.0, 500, {"loss": 1.0})


def test_of_several_series_none_is_the_objective() -> None:
    """Which one comes first is up to the program."""
    text = 'population_report_step 5\naccuracy{split="train"} 0.9\naccuracy{split="val"} 0.5\n'
    said = read(text, "accuracy")
    assert isinstance(said, str)
    assert "2 series of accuracy" in said
    assert isinstance(read(text + "population_report_score 0.5\n", "accuracy"), Reading)
    assert isinstance(read(text + "loss 1\n", "loss"), Reading), "others may have as many"


@pytest.mark.parametrize(
    "text",
    [
        'x{a="1", ="2"} 3\n',
        "<html>\n",
        "loss one\n",
        "population_report_step +Inf\nloss 1\n",
        f"{GOOD}# {'x' * 20_000}\n",
    ],
)
def test_what_cannot_be_read_is_a_complaint(text: str) -> None:
    said = read(text, "loss")
    assert isinstance(said, str)
    assert said.startswith("its metrics cannot be read: ")


@pytest.mark.parametrize("text", ["", "loss 1\n", "population_report_step NaN\nloss 1\n"])
def test_before_the_first_step_there_is_nothing_to_read(text: str) -> None:
    assert read(text, "loss") is None


@asynccontextmanager
async def exporter(
    answer: Callable[[web.Request], web.Response],
) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async def get(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_get("/{path}", get)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        try:
            yield session, f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@in_a_loop
async def test_metrics_without_end_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "METRICS_BYTES", 2**20)
    async with exporter(lambda _: web.Response(body=b"#" * (2**20 + 1))) as (session, url):
        said = await scrape(session, url, "loss")
    assert said == "its metrics are not taken: its answer is longer than 1 MiB"


@in_a_loop
async def test_what_is_compressed_is_not_unpacked() -> None:
    packed, headers = gzip.compress(GOOD.encode()), {"Content-Encoding": "gzip"}
    async with exporter(lambda _: web.Response(body=packed, headers=headers)) as (session, url):
        said = await scrape(session, url, "loss")
    assert isinstance(said, str)
    assert "encoded (gzip)" in said


@in_a_loop
async def test_redirects_lead_nowhere() -> None:
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/metrics":
            return web.Response(status=302, headers={"Location": "/elsewhere"})
        return web.Response(text=GOOD)

    async with exporter(answer) as (session, url):
        assert await scrape(session, url, "loss") is None
    assert asked == ["/metrics"]


@in_a_loop
async def test_much_is_read_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def watched(text: str, metric: str) -> Any:
        threads.append(threading.get_ident())
        return read(text, metric)

    monkeypatch.setattr(module, "read", watched)
    texts = [GOOD, GOOD + "# more\n" * module.LONG]
    async with exporter(lambda _: web.Response(text=texts[len(threads)])) as (session, url):
        for _ in texts:
            assert isinstance(await scrape(session, url, "loss"), Reading)
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [True, False]


@in_a_loop
async def test_a_scraper_outlives_what_nobody_thought_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SCRAPE_SECONDS", 0.01)
    answers: list[Any] = [RuntimeError("unheard of"), "its metrics are odd"]

    async def odd(*_: Any) -> Any:
        if not answers:
            return Reading(500, 1.0, None, {})
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    monkeypatch.setattr(module, "scrape", odd)
    complaints: list[str] = []
    async with aiohttp.ClientSession() as session:
        scraper = Scraper(
            session,
            "http://127.0.0.1:9",
            "w0",
            1,
            a_directive(7, 600),
            "loss",
            lambda: complaints.append(scraper.complaint),
        )

        async def is_told() -> bool:
            return bool(scraper.events)

        with caplog.at_level(logging.ERROR):
            scraper.start()
            await until(is_told, "its report", seconds=10)
        await scraper.close()
    (event,) = scraper.events
    assert isinstance(event, Reported)
    assert event.report.step == 500
    assert complaints[:2] == ["its metrics are odd", ""]
    assert "RuntimeError: unheard of" in caplog.text, "with where it was raised"
    await asyncio.sleep(0)
