"""The connection to one worker: what is heard, what is sent, and what it survives."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from population_operator.adapters.worker import link as module
from population_operator.adapters.worker.credentials import derive
from population_operator.core.observation import SILENCE
from population_operator.model.decision import Forget
from population_operator.model.entry import Reported
from tests.adapters.worker.server import CREDENTIALS, FakeWorker, eventually, linked
from tests.conformance.fleet_driver import a_directive
from tests.conformance.loop import in_a_loop

OTHERS = derive(bytes(32), "uid-2")


# --- what is heard ---


@in_a_loop
async def test_events_come_in_with_their_origin(worker: FakeWorker, tmp_path: Path) -> None:
    woken: list[int] = []
    worker.report(10, score="nan")
    async with worker.serve(tmp_path), linked(worker, wake=lambda: woken.append(1)) as link:
        await eventually(lambda: len(link.events) == 1, "the first")
        worker.report(20)
        worker.tell("forgotten", forgotten=[{"member": "m0", "directive": 1, "keep": [10]}])
        await eventually(lambda: len(link.events) == 3, "all")
        assert [(e.worker, e.incarnation, e.cursor) for e in link.events] == [
            ("w0", 1, n) for n in (1, 2, 3)
        ]
        assert [e.kind for e in link.events] == ["report", "report", "forgotten"]
        assert link.answered_at > 0
        assert woken


@in_a_loop
async def test_what_is_in_the_journal_is_dropped(worker: FakeWorker, tmp_path: Path) -> None:
    for step in (10, 20, 30):
        worker.report(step)
    async with worker.serve(tmp_path), linked(worker) as link:
        await eventually(lambda: len(link.events) == 3, "all")
        link.prune(2)
        assert [e.cursor for e in link.events] == [3]
        link.prune(2)
        link.prune(0)
        assert [e.cursor for e in link.events] == [3]


@in_a_loop
async def test_the_first_answer_wakes_though_it_says_nothing(
    worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silence of others is judged by who answers."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    woken: list[int] = []
    async with worker.serve(tmp_path), linked(worker, wake=lambda: woken.append(1)) as link:
        await eventually(lambda: len(worker.asked) >= 4, "it is asked again and again")
        assert woken == [1]
        assert link.events == []


@in_a_loop
async def test_the_first_answer_comes_at_once_though_there_is_no_news(
    worker: FakeWorker, tmp_path: Path
) -> None:
    """Whoever connects in the middle of a long interval has to know that the worker speaks."""
    worker.report(10)
    async with worker.serve(tmp_path), linked(worker, cursor=1) as link:
        began = asyncio.get_running_loop().time()
        await eventually(lambda: link.answered_at, "an answer")
        assert link.answered_at - began < module.WAIT_SECONDS / 2
        worker.report(20)
        await eventually(lambda: [e.cursor for e in link.events] == [2], "it goes on listening")


@in_a_loop
async def test_one_that_answered_the_last_operator_is_silent_from_the_beginning(
    worker: FakeWorker, tmp_path: Path
) -> None:
    """One that never answered anybody is left to its time limit."""
    worker.hangs = True
    async with worker.serve(tmp_path):
        for cursor, silent in ((5, True), (0, False)):
            async with linked(worker, cursor=cursor) as link:
                later = asyncio.get_running_loop().time() + SILENCE + 1
                assert (link.silent_for(later) >= SILENCE) is silent


@in_a_loop
async def test_an_event_that_makes_no_sense_costs_no_other_one(
    worker: FakeWorker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker.report(10)
    worker.tell("comet", tail=3)
    worker.report("soon")  # type: ignore[arg-type]
    worker.report(20, unknown_to_us=1)
    with caplog.at_level(logging.WARNING):
        async with worker.serve(tmp_path), linked(worker) as link:
            await eventually(lambda: len(link.events) == 2, "those that make sense")
            worker.report(30)
            await eventually(lambda: len(link.events) == 3, "it goes on listening")
            assert [e.cursor for e in link.events] == [1, 4, 5]
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 2


@in_a_loop
async def test_what_is_no_event_at_all_costs_no_other_one(
    worker: FakeWorker, tmp_path: Path
) -> None:
    worker.events += ["?", None, 3]  # type: ignore[list-item]
    worker.report(10)
    async with worker.serve(tmp_path), linked(worker) as link:
        await eventually(lambda: len(link.events) == 1, "the one that makes sense")
        worker.report(20)
        await eventually(lambda: len(link.events) == 2, "it goes on listening")


@in_a_loop
async def test_a_report_is_no_longer_than_an_entry_can_hold(
    worker: FakeWorker, tmp_path: Path
) -> None:
    metrics = {f"k{i:05}": float(i) for i in range(5000)}
    worker.report(10, samples=[float(i) for i in range(60_000)], metrics=metrics)
    async with worker.serve(tmp_path), linked(worker) as link:
        await eventually(lambda: link.events, "it is heard")
        (event,) = link.events
    assert isinstance(event, Reported)
    assert event.report.samples == tuple(float(i) for i in range(59_000, 60_000))
    assert list(event.report.metrics) == [f"k{i:05}" for i in range(200)]


@pytest.mark.parametrize("events", [[], [{"cursor": 1, "kind": "report"}]])
@in_a_loop
async def test_a_worker_that_does_not_wait_is_not_asked_without_end(
    worker: FakeWorker, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    """It answers at once, with nothing or with what it told before."""
    worker.report(10)
    again = [{**worker.events[0], **event} for event in events]
    told = {"worker": "w0", "incarnation": 1, "cursor": len(again), "events": again}
    worker.on_wait = lambda request: web.json_response(told)
    async with worker.serve(tmp_path), linked(worker) as link:
        await asyncio.sleep(1.0)
        assert len(worker.asked) < 40
        assert len(link.events) == len(again)


@in_a_loop
async def test_nothing_is_heard_twice_or_missed_across_a_broken_connection(
    worker: FakeWorker, tmp_path: Path
) -> None:
    worker.report(10)
    async with worker.serve(tmp_path):
        pass  # It has a port from here on.
    async with linked(worker) as link:
        for step in (20, 30, 40):
            async with worker.serve(tmp_path):
                count = len(worker.events)
                await eventually(lambda n=count: len(link.events) == n, "all so far")
            worker.report(step)  # While nobody can hear it.
        async with worker.serve(tmp_path):
            await eventually(lambda: len(link.events) == 4, "all")
        assert [e.cursor for e in link.events] == [1, 2, 3, 4]


@in_a_loop
async def test_a_worker_that_listens_late_is_found(worker: FakeWorker, tmp_path: Path) -> None:
    async with worker.serve(tmp_path):
        pass  # It has a port now, and nobody listens there.
    async with linked(worker) as link:
        link.send(a_directive(3, until=10))
        await asyncio.sleep(0.1)
        assert link.answered_at == 0
        worker.report(10)
        async with worker.serve(tmp_path):
            await eventually(lambda: link.events and worker.directives, "both ways")


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "text": "oh"},
        {"status": 200, "text": "<html>"},
        {"status": 200, "text": '{"cursor": "many"}'},
        {"status": 401, "text": "{}"},
        {"status": 302, "headers": {"Location": "https://127.0.0.1:1/"}},
    ],
)
@in_a_loop
async def test_nonsense_is_borne_until_it_ends(
    worker: FakeWorker, tmp_path: Path, answer: dict[str, Any]
) -> None:
    worker.report(10)
    worker.on_wait = lambda request: web.Response(**answer) if len(worker.asked) < 4 else None
    async with worker.serve(tmp_path), linked(worker) as link:
        await eventually(lambda: link.events, "it is asked again")
        assert worker.asked[:4] == [0, 0, 0, 0]


@pytest.mark.parametrize(("name", "incarnation"), [("w1", 1), ("w0", 2)])
@in_a_loop
async def test_somebody_else_at_the_address_is_not_listened_to(
    worker: FakeWorker, tmp_path: Path, name: str, incarnation: int
) -> None:
    worker.report(10)
    worker.name, worker.incarnation = name, incarnation
    async with worker.serve(tmp_path), linked(worker) as link:
        await eventually(lambda: len(worker.asked) > 3, "it is asked")
        assert (link.events, link.answered_at) == ([], 0.0)


# --- who is trusted ---


@in_a_loop
async def test_another_certificate_gets_neither_token_nor_directive(
    worker: FakeWorker, tmp_path: Path
) -> None:
    worker.report(10)
    async with worker.serve(tmp_path), linked(worker, OTHERS) as link:
        link.send(a_directive(3, until=10))
        await asyncio.sleep(0.3)
        assert (link.events, link.answered_at) == ([], 0.0)
        assert (worker.directives, worker.tokens) == ([], set()), "nothing was even sent"


@in_a_loop
async def test_the_token_is_sent_with_every_request(worker: FakeWorker, tmp_path: Path) -> None:
    async with worker.serve(tmp_path), linked(worker) as link:
        link.send(a_directive(3, until=10))
        await eventually(lambda: worker.directives and worker.asked, "both")
        assert worker.tokens == {f"Bearer {CREDENTIALS.token}"}


@in_a_loop
async def test_connections_are_kept(worker: FakeWorker, tmp_path: Path) -> None:
    """A handshake for each request would be most of a decision's latency."""
    async with worker.serve(tmp_path), linked(worker) as link:
        for number in range(1, 6):
            worker.report(number)
            link.send(a_directive(number, until=10))
            await eventually(
                lambda n=number: len(worker.directives) == n and len(link.events) == n, "both"
            )
        assert len(worker.connections) <= 2


# --- what is sent ---


@in_a_loop
async def test_a_directive_is_sent_once(worker: FakeWorker, tmp_path: Path) -> None:
    async with worker.serve(tmp_path), linked(worker) as link:
        for _ in range(5):
            link.send(a_directive(3, until=10))
            await asyncio.sleep(0.01)
        await eventually(lambda: worker.directives, "it arrives")
        assert [d["id"] for d in worker.directives] == [3]
        link.send(a_directive(3, until=10, forget=(Forget(member="m0", directive=1),)))
        await eventually(lambda: len(worker.directives) == 2, "new deletions are a new message")


@in_a_loop
async def test_while_it_cannot_be_delivered_the_newest_takes_its_place(
    worker: FakeWorker, tmp_path: Path
) -> None:
    refusals: list[int] = []

    def refuse(request: web.Request) -> web.Response | None:
        refusals.append(1)
        return web.Response(status=503) if len(refusals) < 4 else None

    worker.on_put = refuse
    async with worker.serve(tmp_path), linked(worker) as link:
        link.send(a_directive(3, until=10))
        await eventually(lambda: refusals, "it is tried")
        link.send(a_directive(4, until=20))
        link.send(a_directive(5, until=30))
        await eventually(lambda: worker.directives, "one arrives")
        assert [d["id"] for d in worker.directives] == [5]


@pytest.mark.parametrize("status", [409, 422])
@in_a_loop
async def test_what_is_refused_is_not_sent_again(
    worker: FakeWorker, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[int] = []

    def refuse(request: web.Request) -> web.Response:
        tried.append(1)
        return web.json_response({"error": "hyperparameters.lr: is no number"}, status=status)

    worker.on_put = refuse
    woken: list[int] = []
    async with worker.serve(tmp_path), linked(worker, wake=lambda: woken.append(1)) as link:
        await eventually(lambda: woken, "its first answer")
        woken.clear()
        link.send(a_directive(3, until=10))
        await eventually(lambda: tried and link.sent, "it is tried")
        assert ("lr: is no number" in link.refusal, bool(woken)) == (status == 422,) * 2
        for _ in range(10):
            link.send(a_directive(3, until=10))
            await asyncio.sleep(0.01)
        assert len(tried) == 1
        worker.on_put = None
        link.send(a_directive(4, until=20))
        assert not link.refusal, "it is about the newest directive"
    assert "hyperparameters.lr: is no number" in caplog.text


@in_a_loop
async def test_a_link_can_be_closed_while_it_waits(worker: FakeWorker, tmp_path: Path) -> None:
    async with worker.serve(tmp_path):
        loop = asyncio.get_running_loop()
        async with linked(worker) as link:
            await eventually(lambda: worker.asked, "it waits")
            begin = loop.time()
            await link.close()
        assert loop.time() - begin < 1.0


@in_a_loop
async def test_a_worker_that_falls_silent_wakes_whoever_may_replace_it(
    worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its members may be all that the others wait for: then nothing else ever wakes anybody."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    monkeypatch.setattr(module, "SILENCE", 0.3)
    woken: list[int] = []
    async with worker.serve(tmp_path), linked(worker, wake=lambda: woken.append(1)) as link:
        await eventually(lambda: link.answered_at, "it answers")
        woken.clear()
        worker.on_wait = lambda request: web.Response(status=503)
        await eventually(lambda: woken, "somebody is told")
        assert asyncio.get_running_loop().time() - link.answered_at >= 0.3


@in_a_loop
async def test_silence_is_counted_from_the_last_answer(
    worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that hangs is not waited for longer than a worker may be silent."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(module, "SILENCE", 1.0)
    silent: list[float] = []

    def woken() -> None:
        silent.append(link.silent_for(asyncio.get_running_loop().time()))

    async with worker.serve(tmp_path), linked(worker, wake=lambda: woken()) as link:
        await eventually(lambda: link.answered_at, "it answers")
        worker.hangs = True
        silent.clear()
        await eventually(lambda: silent, "somebody is told")
        assert 1.0 <= silent[0] < 5.0


@in_a_loop
async def test_one_that_has_nothing_to_say_is_asked_again_at_once(
    worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long an interval takes: a pause between two questions would delay its report."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(module, "LAST_RETRY", 60.0)
    async with worker.serve(tmp_path), linked(worker):
        await eventually(lambda: len(worker.asked) >= 16, "no pause grows with each question")
