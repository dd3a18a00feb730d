"""The API server, spoken to in plain JSON: the objects are built and read by pure functions."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client as generated
from kubernetes.aio import config
from yaml import YAMLError

Object = dict[str, Any]
Body = Object | list[Object]
"""Of a request: an object, or the steps of a JSON patch."""

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
LOST = (aiohttp.ClientError, TimeoutError, ConnectionError)
"""What it is where no answer came, or half of one."""
BUSY, TRIES, LONGEST_PAUSE = 429, 4, 5.0
"""A server that is busy has done nothing, and says when to come back (at most so many seconds)."""
WATCH_SECONDS = 240
"""How long a watch lasts at most, so that one that hangs is noticed, whatever it hangs on."""

STRICT = {"fieldValidation": "Strict"}
"""For what a user wrote: a field that the server does not know is an error, not dropped."""
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a Pod finds the name of its namespace."""


class ApiError(Exception):
    """The API server refused: `status` is the HTTP code, `reason` its one word for it.

    `causes` are the fields that it names, each with what is wrong with it.
    """

    def __init__(
        self, status: int, reason: str, message: str, causes: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message, self.causes = status, reason, message, causes


class UnreachableError(Exception):
    """The API server did not answer: whether it did what was asked is not known."""


class Client:
    """JSON in, JSON out. Authentication, proxies and TLS are the generated client's."""

    def __init__(self, api: generated.ApiClient) -> None:
        self._api = api
        self.requests = 0
        self.errors: Counter[str] = Counter({"unreachable": 0})

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Client:
        """From inside a Pod, or by a kubeconfig (its path, or the usual one)."""
        configuration = generated.Configuration()
        if kubeconfig is None:
            try:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
                return cls(generated.ApiClient(configuration))
            except config.ConfigException:
                pass
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig, client_configuration=configuration
        )
        return cls(generated.ApiClient(configuration))

    @classmethod
    async def as_user(
        cls, kubeconfig: str | None = None, context: str | None = None
    ) -> tuple[Client, str]:
        """As kubectl does it: by a kubeconfig, or from inside a Pod where there is none.

        Returns the client, and the namespace that the context or the Pod is in.

        Raises:
          ConfigException: there is neither, the kubeconfig cannot be used, or lacks the context.
        """
        configuration = generated.Configuration()
        file = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        asked = kubeconfig is not None or context is not None
        try:
            _must_exist(file)
            loader = await _loaded(file, context, configuration)
        except config.ConfigException:
            namespace = _own_namespace()
            if asked or not namespace:
                raise
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            namespace = loader.current_context["context"].get("namespace")
        return cls(generated.ApiClient(configuration)), str(namespace or "default")

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._api.configuration.host)

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, **query: str) -> Object:
        return await self._call("GET", path, query)

    async def create(self, path: str, body: Object, **query: str) -> Object:
        return await self._call("POST", path, query, body)

    async def replace(self, path: str, body: Object) -> Object:
        """PUT; with a `resourceVersion` in the body it is a compare-and-swap (409: Conflict)."""
        return await self._call("PUT", path, {}, body)

    async def swap(self, path: str, body: Object) -> Object:
        """`replace` of a large object: the answer is its metadata and nothing else."""
        return await self._call("PUT", path, {}, body, {"Accept": METADATA_ONLY})

    async def merge(self, path: str, body: Object) -> Object:
        """A JSON merge patch."""
        return await self._call(
            "PATCH", path, {}, body, {"Content-Type": "application/merge-patch+json"}
        )

    async def set_status(self, path: str, uid: str, status: Object) -> Object:
        """Put the status in the place of the old one, if the object is the one with this uid.

        A merge would leave what only the old one has.

        Raises:
          ApiError: as others; a conflict (409) where it is another object.
        """
        changes: list[Object] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        content = {"Content-Type": "application/json-patch+json"}
        try:
            return await self._call("PATCH", path, {}, changes, content)
        except ApiError as error:
            if error.status == 422 and not error.causes:  # No field is at fault: the test failed.
                told = f"{path}: it is not the object with the UID {uid}"
                raise ApiError(409, "Conflict", told) from error
            raise

    async def try_apply(self, path: str, body: Object) -> Object:
        """What `kubectl apply --server-side` would make of it; nothing is changed."""
        query = {"dryRun": "All", "fieldManager": "kubectl", "force": "true"}
        content = {"Content-Type": "application/apply-patch+yaml"}
        return await self._call("PATCH", path, query | STRICT, body, content)

    async def try_create(self, path: str, body: Object) -> Object:
        """What would come of creating it; nothing is made."""
        return await self._call("POST", path, {"dryRun": "All"} | STRICT, body)

    async def delete(self, path: str, uid: str = "", grace: int | None = None) -> None:
        """Delete it, but only if it is the one with this uid. What is missing is deleted."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            await self._call("DELETE", path, {"propagationPolicy": "Background"}, options)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def watch(
        self, path: str, version: str, **query: str
    ) -> AsyncIterator[tuple[str, Object]]:
        """(type, object) from `version` on, until the server or the time ends it."""
        parameters = {
            **query,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=WATCH_SECONDS + 30)
        response = await self._send("GET", path, parameters, None, {}, timeout)
        try:
            async for line in _lines(response):
                event = _parsed(line, f"watch {path}")
                if event["type"] == "ERROR":
                    problem = event["object"]
                    raise ApiError(
                        int(problem.get("code", 500)),
                        str(problem.get("reason", "")),
                        str(problem.get("message", "")),
                    )
                yield event["type"], event["object"]
        except LOST as error:
            raise UnreachableError(f"watch {path}: {error!r}") from error
        finally:
            response.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        limit = aiohttp.ClientTimeout(REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        response = await self._send(method, path, query, body, headers or {}, limit)
        data = await _body(response, what := f"{method} {path}")
        return _parsed(data, what) if data else {}

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Body | None,
        headers: Mapping[str, str],
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        for attempt in range(1, TRIES + 1):
            response = await self._send_once(method, path, query, body, headers, limit)
            if response.status != BUSY or attempt == TRIES:
                break
            response.release()
            await asyncio.sleep(_retry_after(response))
        if response.status >= 400:
            self.errors[str(response.status)] += 1
            raise _refusal(response, await _body(response, f"{method} {path}"))
        return response

    async def _send_once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Body | None,
        headers: Mapping[str, str],
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        self.requests += 1
        serialized = await self._api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={
                "Accept": "application/json",
                "Content-Type": "application/json",
                **headers,
            },
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self._api.call_api(
                *serialized, _request_timeout=limit, _preload_content=False
            )
        except LOST as error:
            self.errors["unreachable"] += 1
            raise UnreachableError(f"{method} {path}: {error!r}") from error
        response: aiohttp.ClientResponse = answer.response
        return response


def _retry_after(response: aiohttp.ClientResponse) -> float:
    given = response.headers.get("Retry-After", "")
    return min(float(given), LONGEST_PAUSE) if given.isdigit() else 1.0


def _must_exist(files: str) -> None:
    """One of them, with colons between: the library only prints which is missing."""
    if not any(Path(file).expanduser().exists() for file in files.split(os.pathsep) if file):
        raise config.ConfigException(f"there is no {files}")


async def _loaded(files: str, context: str | None, into: generated.Configuration) -> Any:
    """The library's loader; what it trips over in a file that is none becomes its own exception."""
    try:
        return await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=files, context=context, client_configuration=into
        )
    except (TypeError, LookupError, AttributeError) as error:
        told = f"{files} is empty, or lacks what a kubeconfig has"
        raise config.ConfigException(told) from error
    except (YAMLError, ValueError) as error:
        raise config.ConfigException(f"{files} is no kubeconfig: {error}") from error


def _own_namespace() -> str:
    """The namespace of the Pod that this is; nothing outside of one."""
    return NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.exists() else ""


async def _body(response: aiohttp.ClientResponse, what: str) -> bytes:
    """The whole of it; an answer that is cut short is none."""
    try:
        return await response.read()
    except LOST as error:
        raise UnreachableError(f"{what}: {error!r}") from error


def _parsed(data: bytes, what: str) -> Object:
    """The object; whoever answers with something else is not the API server."""
    try:
        parsed = json.loads(data)
    except ValueError as error:
        raise UnreachableError(f"{what}: the answer is no JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise UnreachableError(f"{what}: the answer is no object")
    return parsed


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ApiError | UnreachableError:
    """What an answer with an error says, whoever gave it: a proxy need not speak JSON."""
    text = body.decode(errors="replace")
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    status = status if isinstance(status, dict) else {}
    reason = str(status.get("reason") or response.reason or "")
    message = str(status.get("message") or text[:500])
    if response.status in (502, 503, 504):
        return UnreachableError(f"{response.status} {reason}: {message}")
    causes = (status.get("details") or {}).get("causes") or ()
    fields = tuple((str(c["field"]), str(c["message"])) for c in causes if c.get("field"))
    return ApiError(response.status, reason, message, fields)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length: objects are larger than a stream's usual limit."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
