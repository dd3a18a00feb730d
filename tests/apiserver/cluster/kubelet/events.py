"""Events as a kubelet writes them; those that repeat are counted. Best effort."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import secrets

from tests.apiserver.cluster.client import ApiError
from tests.apiserver.cluster.kubelet.api import UNREACHABLE, Api, Object


def timestamp(micro: bool = False) -> str:
    now = datetime.datetime.now(datetime.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    def __init__(self, api: Api, node: str) -> None:
        self._api = api
        self._node = node
        self._seen: dict[tuple[str, ...], Object] = {}
        self._tasks = set[asyncio.Task[None]]()

    def __call__(
        self, pod: Object, reason: str, message: str, warning: bool = False, container: str = ""
    ) -> None:
        task = asyncio.get_running_loop().create_task(
            self._write(pod["metadata"], reason, message, warning, container)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(
        self, meta: Object, reason: str, message: str, warning: bool, container: str
    ) -> None:
        key = (meta["uid"], container, reason, message)
        path = f"/api/v1/namespaces/{meta['namespace']}/events"
        known = self._seen.get(key)
        with contextlib.suppress(ApiError, *UNREACHABLE):
            if known is not None:
                known["count"] += 1
                body = {"count": known["count"], "lastTimestamp": timestamp()}
                await self._api.patch(f"{path}/{known['metadata']['name']}", body)
                return
            self._seen[key] = event = self._event(meta, reason, message, warning, container)
            await self._api.create(path, event)

    def _event(
        self, meta: Object, reason: str, message: str, warning: bool, container: str
    ) -> Object:
        involved = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        }
        if container:
            involved["fieldPath"] = f"spec.containers{{{container}}}"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{secrets.token_hex(8)}",
                "namespace": meta["namespace"],
            },
            "involvedObject": involved,
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message[:1024],
            "count": 1,
            "firstTimestamp": timestamp(),
            "lastTimestamp": timestamp(),
            "source": {"component": "kubelet", "host": self._node},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
        }
