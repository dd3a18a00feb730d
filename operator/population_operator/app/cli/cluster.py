"""An experiment on a cluster, read with the user's own rights; and the cluster's refusals, told."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kubernetes.aio.config import ConfigException

from population_operator.adapters.kubernetes.client import (
    ApiError,
    Client,
    Object,
    UnreachableError,
)
from population_operator.adapters.kubernetes.journal import KubernetesJournal
from population_operator.adapters.kubernetes.names import GROUP, Key, path
from population_operator.app.cli.access import Access
from population_operator.app.cli.errors import FAILED, UserError
from population_operator.model.entry import Entry
from population_operator.ports import JournalUnavailableError

PLURAL = "populationexperiments"
VIEWER = "population-viewer"
"""The ClusterRole of the chart that has every right that reading needs."""
LISTED = 8
"""How many names a message lists at most."""

_FORBIDDEN = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[\w/]+)" in API group "(?P<group>[\w.-]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


@dataclass(frozen=True)
class Found:
    """One experiment: its object, and its journal, which is empty before the operator saw it."""

    key: Key
    body: Object
    entries: tuple[Entry, ...]


def fetch(name: str, access: Access) -> Found:
    """Read the experiment `name`.

    Raises:
      UserError: no cluster can be reached, there is no such experiment, or a right is missing.
    """
    return asyncio.run(_fetch(name, access))


async def _fetch(name: str, access: Access) -> Found:
    async with connected(access) as (client, namespace):
        try:
            body = await client.get(path(PLURAL, namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise
            raise UserError(await _absent(client, namespace, name)) from None
        key = Key(namespace, name, str(body["metadata"]["uid"]))
        try:
            entries = await KubernetesJournal(client).load(str(key))
        except JournalUnavailableError as error:
            if error.__cause__ is not None:
                raise error.__cause__ from None
            raise
        return Found(key, body, entries)


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[tuple[Client, str]]:
    """A client, and the namespace that is meant. What the server refuses becomes a UserError."""
    try:
        client, namespace = await Client.as_user(access.kubeconfig, access.context)
    except ConfigException as error:
        raise UserError(_not_configured(error, access)) from None
    try:
        yield client, access.namespace or namespace
    except UnreachableError as error:
        cause = _cause(error)
        raise UserError(
            f"cannot reach the cluster at {client.server}: {cause}", code=FAILED
        ) from error
    except ApiError as error:
        raise UserError(refusal(error), code=FAILED) from error
    finally:
        await client.close()


def _not_configured(error: ConfigException, access: Access) -> str:
    if access.context and "contexts list" in str(error):
        return f"--context {access.context}: the kubeconfig has no such context"
    return f"no cluster is configured: {_plain(error)}: set KUBECONFIG, or give --kubeconfig"


def refusal(error: ApiError) -> str:
    """Why the server does not let us, and whom to ask for what."""
    if error.status == 401:
        return "the cluster does not accept your credentials: log in again"
    missing = _FORBIDDEN.search(error.message)
    if error.status != 403 or missing is None:
        return f"the cluster refuses: {error.message}"
    resource = ".".join(part for part in (missing["resource"], missing["group"]) if part)
    where = f" in namespace {missing['namespace']}" if missing["namespace"] else ""
    ask = f"ask for the verb `{missing['verb']}` on it"
    if missing["group"] == GROUP and missing["verb"] in ("get", "list", "watch"):
        ask += f", or for the ClusterRole {VIEWER}"
    return f"you may not {missing['verb']} {resource}{where}: {ask}"


async def _absent(client: Client, namespace: str, name: str) -> str:
    """There is no such experiment: what there is."""
    text = f"{name}: no such experiment in namespace {namespace}"
    try:
        listed = await client.get(path(PLURAL, namespace))
    except ApiError as error:
        if error.status == 404:
            return f"{name}: this cluster knows no PopulationExperiment: install the CRDs first"
        return text
    if names := sorted(str(item["metadata"]["name"]) for item in listed["items"]):
        rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        return f"{text}: there is {', '.join(names[:LISTED])}{rest}"
    return f"{text}, which has none{await _elsewhere(client, name)}"


async def _elsewhere(client: Client, name: str) -> str:
    """Other namespaces with an experiment of this name, for those who may look."""
    try:
        listed = await client.get(path(PLURAL))
    except ApiError:
        return ""
    here = sorted(
        str(item["metadata"]["namespace"])
        for item in listed["items"]
        if item["metadata"]["name"] == name
    )
    return f": there is one in {', '.join(here[:LISTED])} (-n {here[0]})" if here else ""


def _cause(error: UnreachableError) -> str:
    """The system's words, without the library's."""
    cause = error.__cause__
    inner = getattr(cause, "os_error", None) or cause
    number = getattr(inner, "errno", None)
    if isinstance(inner, TimeoutError):
        return "it does not answer"
    return _plain(os.strerror(number) if number and number > 0 else inner or error)


def _plain(error: object) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{text[:1].lower()}{text[1:]}" if text[1:2].islower() else text
