"""Startup, readiness and liveness probes: exec, httpGet (HTTPS too) and tcpSocket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import aiohttp

from tests.apiserver.cluster.kubelet.api import Object

Execute = Callable[[list[str], float], Awaitable[tuple[bool, str]]]
Answer = tuple[bool, str]


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Prober:
    def __init__(self, container: Object, address: str, execute: Execute) -> None:
        self._ports = {
            one["name"]: one["containerPort"] for one in container.get("ports", ()) if "name" in one
        }
        self._address = address
        self._execute = execute

    async def until(self, probe: Object, answer: Callable[[bool, str], None]) -> None:
        """Probes for ever; calls `answer` at each change that its thresholds confirm."""
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        needed = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
        row, last = 0, False
        while True:
            good, message = await self.once(probe)
            row = row + 1 if good == last else 1
            last = good
            if row == needed[good]:
                answer(good, message)
            await asyncio.sleep(probe.get("periodSeconds", 10))

    async def once(self, probe: Object) -> Answer:
        seconds = float(probe.get("timeoutSeconds", 1))
        try:
            async with asyncio.timeout(seconds):
                if "httpGet" in probe:
                    return await self._http(probe["httpGet"])
                if "tcpSocket" in probe:
                    return await self._tcp(probe["tcpSocket"])
                if "exec" in probe:
                    return await self._execute(probe["exec"]["command"], seconds)
        except TimeoutError:
            return False, f"no answer within {seconds:g} s"
        except (OSError, aiohttp.ClientError) as error:
            return False, str(error) or type(error).__name__
        return False, f"this node has no such probe: {sorted(probe)}"

    async def _http(self, get: Object) -> Answer:
        scheme = get.get("scheme", "HTTP").lower()
        host = get.get("host") or self._address
        url = f"{scheme}://{host}:{self._port(get['port'])}/{get.get('path', '/').lstrip('/')}"
        headers = {one["name"]: one["value"] for one in get.get("httpHeaders", ())}
        async with (
            aiohttp.ClientSession(headers={"User-Agent": "kube-probe/1.36"}) as session,
            session.get(url, headers=headers, ssl=_unverified()) as response,
        ):
            if 200 <= response.status < 400:
                return True, ""
            return False, f"HTTP probe failed with statuscode: {response.status}"

    async def _tcp(self, socket: Object) -> Answer:
        host = socket.get("host") or self._address
        _, writer = await asyncio.open_connection(host, self._port(socket["port"]))
        writer.close()
        return True, ""

    def _port(self, port: int | str) -> int:
        return int(self._ports.get(port, port)) if isinstance(port, str) else port
