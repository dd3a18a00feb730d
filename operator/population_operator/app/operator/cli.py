"""`population-operator`: the program in the operator's image."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from population_operator.app.operator.settings import InvalidSettingError, Settings

if TYPE_CHECKING:
    from population_operator.adapters.kubernetes.client import Client

T = TypeVar("T")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def operate(
    context: typer.Context,
    namespaces: Annotated[
        str | None,
        typer.Option(help="Namespaces to watch, with commas between; without it the cluster."),
    ] = None,
    own_namespace: Annotated[
        str | None, typer.Option(help="Where the Lease is; $POD_NAMESPACE without it.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="This replica's name; $POD_NAME without it.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Experiments reconciled at once.", show_default="8")
    ] = None,
    master_file: Annotated[
        str | None, typer.Option(help="The master secret, from which tokens and keys derive.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where probes and metrics are served.")] = None,
    port: Annotated[
        str | None, typer.Option(help="The port of /livez, /readyz, /metrics.", show_default="8080")
    ] = None,
    kubeconfig: Annotated[
        str | None, typer.Option(help="Outside a cluster: which kubeconfig.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.", show_default="info")
    ] = None,
) -> None:
    """Watch PopulationExperiments and run them.

    Each option can be given as POPULATION_OPERATOR_<NAME> instead.
    """
    try:
        settings = Settings.read(
            namespaces=namespaces,
            own_namespace=own_namespace,
            identity=identity,
            workers=workers,
            master_file=master_file,
            host=host,
            port=port,
            kubeconfig=kubeconfig,
            log_level=log_level,
        )
    except InvalidSettingError as error:
        print(f"population-operator: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    context.obj = settings
    if context.invoked_subcommand is None:
        from population_operator.app.operator.main import run

        raise typer.Exit(run(settings))


@app.command()
def drop_finalizers(
    context: typer.Context,
    deployment: Annotated[
        str | None, typer.Option(help="The operator's Deployment: it is scaled to nothing first.")
    ] = None,
) -> None:
    """Before an uninstall: let experiments be deleted without the operator.

    Checkpoints then stay on their volume, also with `deletionPolicy: Delete`.
    """
    from population_operator.app.operator.cleanup import Cleanup
    from population_operator.app.operator.main import LEASE

    settings: Settings = context.obj

    async def work(client: Client) -> int:
        namespaces, own = settings.namespaces, settings.own_namespace
        return await Cleanup(client, namespaces, own, deployment, LEASE).run()

    print(f"{_with_client(settings, work)} experiments can be deleted without the operator")


@app.command()
def smoke(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A manifest with one PopulationExperiment.")],
    namespace: Annotated[
        str | None, typer.Option(help="Where it runs; the operator's own without it.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until its end.")] = 300.0,
) -> None:
    """Submit an experiment, wait until it is Complete, delete it."""
    from population_operator.app.operator.smoke import Smoke, SmokeError
    from population_operator.app.yaml_reader import read_yaml

    settings: Settings = context.obj
    body = read_yaml(file.read_text())[0]

    async def work(client: Client) -> dict[str, object]:
        return await Smoke(client, namespace or settings.own_namespace, timeout).run(body)

    try:
        status = _with_client(settings, work)
    except SmokeError as error:
        print(f"population-operator: {file}: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"Complete. The best: {json.dumps(status.get('best'))}")


def _with_client(settings: Settings, work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` returns; an API server that refuses or is away is one line, and exit code 1."""
    from population_operator.adapters.kubernetes.client import ApiError, Client, UnreachableError

    async def connected() -> T:
        client = await Client.connect(settings.kubeconfig)
        try:
            return await work(client)
        finally:
            await client.close()

    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(message)s")
    try:
        return asyncio.run(connected())
    except (ApiError, UnreachableError) as error:
        print(f"population-operator: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def main() -> None:
    """The entry point."""
    app()
