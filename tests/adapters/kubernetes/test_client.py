"""What comes of answers that are none: from a proxy, or cut short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from kubernetes.aio import client as generated

from population_operator.adapters.kubernetes.client import ApiError, Client, UnreachableError
from tests.conformance.loop import in_a_loop

JSON = b'{"reason": "Forbidden", "message": "no"}'


@asynccontextmanager
async def answering(status: int, body: bytes, length: int) -> AsyncIterator[Client]:
    """A server that says how long its answer is, gives this body, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json; charset=utf-8\r\n"
        writer.write(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    configuration = generated.Configuration()
    configuration.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = Client(generated.ApiClient(configuration))
    try:
        yield client
    finally:
        await client.close()
        server.close()


@pytest.mark.parametrize("status", [200, 403, 500])
@in_a_loop
async def test_an_answer_that_is_cut_short_is_none(status: int) -> None:
    async with answering(status, JSON, len(JSON) + 1000) as client:
        with pytest.raises(UnreachableError, match="GET /pods"):
            await client.get("/pods")


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe", b'"oh"', b"[1]"])
@in_a_loop
async def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    async with answering(200, body, len(body)) as client:
        with pytest.raises(UnreachableError, match="GET /pods: the answer is no"):
            await client.get("/pods")


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe", b'"oh"', b""])
@in_a_loop
async def test_an_error_is_one_whatever_its_words_are(body: bytes) -> None:
    async with answering(500, body, len(body)) as client:
        with pytest.raises(ApiError) as caught:
            await client.get("/pods")
    assert (caught.value.status, caught.value.reason) == (500, "Said")


@in_a_loop
async def test_a_refusal_says_why() -> None:
    async with answering(403, JSON, len(JSON)) as client:
        with pytest.raises(ApiError) as caught:
            await client.get("/pods")
    assert (caught.value.reason, caught.value.message) == ("Forbidden", "no")
