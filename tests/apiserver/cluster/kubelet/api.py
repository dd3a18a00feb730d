"""The Kubernetes API for the node agent: aiohttp, JSON as it comes."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

from tests.apiserver.cluster.client import ApiError

Object = dict[str, Any]
Result = TypeVar("Result")
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)
WATCH_SECONDS = 60


class Api:
    def __init__(self, server: str, ca_file: str, token: str) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "node-agent"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Api:
        self._session = aiohttp.ClientSession(
            self._server,
            headers=self._headers,
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=10),
            read_bufsize=2**22,  # one event of a watch is one line
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None, "enter the Api first"
        return self._session

    async def get(self, path: str, **query: str) -> Object:
        return await self._request("GET", path, query=query)

    async def create(self, path: str, body: Object) -> Object:
        return await self._request("POST", path, body)

    async def patch(self, path: str, body: Object, kind: str = MERGE) -> Object:
        return await self._request("PATCH", path, body, content_type=kind)

    async def delete(self, path: str, body: Object) -> Object:
        return await self._request("DELETE", path, body)

    async def _request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self.session.request(
            method, path, data=data, params=query, headers=headers
        ) as response:
            text = await response.text()
            try:
                answer = json.loads(text)
            except ValueError:
                answer = {"message": text}
            if response.status >= 400:
                raise ApiError(response.status, answer)
            found: Object = answer
            return found

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[Object]:
        """Events from `version` on, until the server ends the watch."""
        query |= {
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
            "allowWatchBookmarks": "true",
        }
        timeout = aiohttp.ClientTimeout(total=WATCH_SECONDS + 10, sock_connect=5)
        async with self.session.get(path, params=query, timeout=timeout) as response:
            if response.status >= 400:
                raise ApiError(response.status, {"message": await response.text()})
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code", 500), event["object"])
                yield event


async def insist(call: Callable[[], Awaitable[Result]]) -> Result:
    """The call's answer, once the server is there to give one; a refusal is an answer."""
    delay = 0.1
    while True:
        try:
            return await call()
        except UNREACHABLE:
            pass
        except ApiError as error:
            if error.status < 500 and error.status != 429:
                raise
        await asyncio.sleep(delay)
        delay = min(2 * delay, 2.0)
