"""A link to a worker that answers as none should: its user's program may do anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from population_operator.adapters.worker import link as module
from tests.adapters.worker.server import CREDENTIALS, FakeWorker, eventually, linked
from tests.conformance.fleet_driver import a_directive
from tests.conformance.loop import in_a_loop


@in_a_loop
async def test_an_answer_without_end_is_a_complaint_until_there_is_a_better_one(
    worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One experiment's worker must not cost the memory of all."""
    monkeypatch.setattr(module, "WAIT_BYTES", 2**20)
    worker.report(10)
    worker.on_wait = lambda request: web.Response(body=b" " * (2**20 + 1))
    woken: list[str] = []
    async with worker.serve(tmp_path), linked(worker, wake=lambda: woken.append("")) as link:
        await eventually(lambda: link.complaint, "it is told")
        assert link.complaint == "its answer is longer than 1 MiB"
        assert woken and not link.events
        worker.on_wait = lambda request: None
        await eventually(lambda: link.events and not link.complaint, "it is heard")


@in_a_loop
async def test_redirects_lead_nowhere(worker: FakeWorker, tmp_path: Path) -> None:
    other = FakeWorker(CREDENTIALS)
    other.report(10)
    (tmp_path / "other").mkdir()
    async with other.serve(tmp_path / "other"), worker.serve(tmp_path):
        away = {"Location": f"https://127.0.0.1:{other.port}/v1/wait?after=0&timeout=0"}
        puts: list[int] = []

        def redirect(request: web.Request) -> web.Response:
            puts.append(1)
            return web.Response(status=307, headers=away)

        worker.on_wait = lambda request: web.Response(status=302, headers=away)
        worker.on_put = redirect
        async with linked(worker) as link:
            link.send(a_directive(3, until=10))
            await eventually(lambda: len(worker.asked) > 3 and len(puts) > 3, "it is asked")
            assert (link.events, link.sent, other.asked) == ([], None, [])


@in_a_loop
async def test_both_directions_outlive_what_nobody_thought_of(
    worker: FakeWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker.report(10)
    async with worker.serve(tmp_path), linked(worker) as link:
        for name in ("_wait", "_put"):
            monkeypatch.setattr(link, name, once_odd(link, name))
        link.send(a_directive(3, until=10))
        await eventually(lambda: link.events and worker.directives, "both ways")
    assert caplog.text.count("RuntimeError: unheard of") == 2, "with where it was raised"


def once_odd(link: Any, name: str) -> Any:
    """The method, which fails the first time."""
    inner, calls = getattr(link, name), []

    async def call(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("unheard of")
        return await inner(*arguments)

    return call


@pytest.mark.parametrize("status", [409, 422])
@in_a_loop
async def test_a_refusal_need_not_be_text(worker: FakeWorker, tmp_path: Path, status: int) -> None:
    content = {"Content-Type": "text/plain; charset=utf-8"}
    body = b"\xff no " * 1000
    worker.on_put = lambda request: web.Response(status=status, body=body, headers=content)
    async with worker.serve(tmp_path), linked(worker) as link:
        link.send(a_directive(3, until=10))
        await eventually(lambda: link.sent, "it is refused")
        assert len(link.refusal) == (500 if status == 422 else 0)
        worker.on_put = lambda request: None
        link.send(a_directive(4, until=20))
        await eventually(lambda: worker.directives, "the next one is sent all the same")
