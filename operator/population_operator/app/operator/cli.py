"""`population-operator`: the program in the operator's image."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from population_operator.app.operator.settings import InvalidSettingError, Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def operate(
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
    from population_operator.app.operator.main import run

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
    raise typer.Exit(run(settings))


def main() -> None:
    """The entry point."""
    app()
