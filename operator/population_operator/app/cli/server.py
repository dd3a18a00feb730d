"""`population validate --server`: would a cluster take the manifest, and the Pods made from it?

Nothing is made there: dry runs pass the same validation and admission as the real thing. What CEL
cannot see stands in the Pod template: its Pod is built as the operator builds it, and asked about.
"""

from __future__ import annotations

import asyncio
from typing import Any

from population_operator.adapters.kubernetes import manifests
from population_operator.adapters.kubernetes.client import ApiError, Client, Object
from population_operator.adapters.kubernetes.names import path
from population_operator.adapters.kubernetes.refusals import (
    CLAIM_TEMPLATE,
    POD_TEMPLATE,
    experiment_problems,
    invalid,
    template_problems,
)
from population_operator.api import ManifestError, PopulationExperiment, Problem
from population_operator.app.cli.access import Access
from population_operator.app.cli.cluster import PLURAL, connected
from population_operator.app.cli.errors import UserError
from population_operator.app.cli.validate import Check
from population_operator.core.desired import DesiredWorker


def asking(access: Access) -> Check:
    """A check that asks this cluster."""

    def check(said: Any, experiment: PopulationExperiment) -> str:
        return asyncio.run(_check(said, experiment, access))

    return check


async def _check(said: Any, experiment: PopulationExperiment, access: Access) -> str:
    async with connected(access) as (client, here):
        namespace = _namespace(said, access) or here
        problems = [*await _experiment(client, namespace, experiment.metadata.name, said)]
        if not problems:
            problems += await _made_from(client, namespace, experiment)
        if problems:
            raise ManifestError(problems)
        return f"{client.server} takes it in namespace {namespace}"


def _namespace(said: Any, access: Access) -> str | None:
    """As kubectl: what the manifest says, which a flag must not contradict."""
    named = said["metadata"].get("namespace")
    if named and access.namespace and named != access.namespace:
        raise ManifestError(
            [Problem("metadata.namespace", f"is {named}, but --namespace is {access.namespace}")]
        )
    return named or access.namespace


async def _experiment(
    client: Client, namespace: str, name: str, said: Object
) -> tuple[Problem, ...]:
    body = as_sent({key: value for key, value in said.items() if key != "status"})
    body["metadata"] = {**body["metadata"], "namespace": namespace}
    try:
        await client.try_apply(path(PLURAL, namespace, name), body)
    except ApiError as error:
        if error.status == 404:
            raise UserError(_not_there(error, namespace)) from None
        if error.status not in (400, 422):
            raise
        return experiment_problems(error)
    return ()


async def _made_from(
    client: Client, namespace: str, experiment: PopulationExperiment
) -> list[Problem]:
    """Problems of what the operator would make: a Pod, and a claim where one is asked for."""
    if problems := manifests.unusable(experiment):
        return list(problems)
    identity = {"namespace": namespace, "uid": UNBORN}
    metadata = experiment.metadata.model_copy(update=identity)
    experiment = experiment.model_copy(update={"metadata": metadata})
    pod = manifests.pod(experiment, DesiredWorker("w0", 1, "", None, 0))
    wanted = [("pods", pod, experiment.spec.worker.template, POD_TEMPLATE)]
    claim, storage = manifests.claim(experiment), experiment.spec.storage
    if claim is not None and storage is not None:
        wanted.append(("persistentvolumeclaims", claim, storage.claim_template, CLAIM_TEMPLATE))
    found: list[Problem] = []
    for plural, body, template, at in wanted:
        try:
            await client.try_create(path(plural, namespace), body)
        except ApiError as error:
            if not invalid(error) and not _quota(error):
                raise
            found += template_problems(error, template, at)
    return found


UNBORN = "00000000-0000-0000-0000-000000000000"
"""The uid of an experiment that does not exist."""


def as_sent(value: Any) -> Any:
    """A copy in which 100.0 is 100, as in the JSON that kubectl sends."""
    if isinstance(value, dict):
        return {key: as_sent(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_sent(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _quota(error: ApiError) -> bool:
    """Not a mistake in the manifest, but the Pod would not be made either."""
    return error.status == 403 and "exceeded quota" in error.message


def _not_there(error: ApiError, namespace: str) -> str:
    if "namespaces" in error.message:
        return f"there is no namespace {namespace}: create it first, or give another with -n"
    return "this cluster knows no PopulationExperiment: install the CRDs first"
