"""The commands as a user types them. What they do is imported when they are called."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from population_operator.app.cli.source import Run

app = typer.Typer(
    name="population",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tune training runs while they train.\n\n"
    "A population of workers trains side by side; the good are copied over the bad, and their "
    "hyperparameters are moved. One manifest says what to tune; the result is a trained model and "
    "the schedule of hyperparameters that made it.",
    epilog="[bold]Begin[/] with [cyan]population validate FILE[/], then "
    "[cyan]population run FILE[/], and open the [cyan]report.html[/] that it leaves.\n\n"
    "Exit codes: 0 complete, or as asked; 1 failed, which a journal that is damaged or does not "
    "verify is, too; 2 bad input: the command line, the manifest, or no such run; 130 interrupted.",
)

Manifest = Annotated[Path, typer.Argument(metavar="FILE", help="The manifest, YAML or JSON.")]
Target = Annotated[
    str,
    typer.Argument(metavar="DIR|NAME", help="The folder of a run; or an experiment on a cluster."),
]
MAX_SEED = 2**53 - 1
"""`LIMIT` of api/scalars.py, whose import would cost `--help` too much."""
CLUSTER = "Where an experiment is"
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Its namespace; else the context's.",
        show_default=False, rich_help_panel=CLUSTER,
    ),
]  # fmt: skip
Context = Annotated[
    str | None,
    typer.Option(
        "--context", help="The kubeconfig's context; else the current one.",
        show_default=False, rich_help_panel=CLUSTER,
    ),
]  # fmt: skip
Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig", metavar="FILE", help="Else $KUBECONFIG, or ~/.kube/config.",
        show_default=False, rich_help_panel=CLUSTER,
    ),
]  # fmt: skip


class StatusFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


class TableFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


def _run_of(target: str, namespace: str | None, context: str | None, kubeconfig: str | None) -> Run:
    """The run that a command is about."""
    from population_operator.app.cli.access import Access
    from population_operator.app.cli.source import find

    return find(target, Access(namespace, context, kubeconfig))


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"population {version('population-operator')}")
        raise typer.Exit


@app.callback()
def population(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """What all commands share."""


def _examples(*lines: tuple[str, str]) -> str:
    """An epilog that teaches: what to type, and what it is for."""
    shown = (f"[cyan]population {line}[/]\n\n  [dim]{what}[/]" for line, what in lines)
    return "\n\n".join(("[bold]Examples[/]", *shown))


@app.command(
    help="Train a population on this machine.\n\n"
    "Workers are processes that end with this one. Ctrl-C suspends, the same command resumes, "
    "also after a crash. The folder gets the journal, the checkpoints, [cyan]report.html[/] and "
    "[cyan]result.json[/].",
    epilog=_examples(
        ("run digits.yaml", "into runs/<name>, and go on there where it was stopped"),
        ("run digits.yaml -o /tmp/try --seed 3", "a second run that shares nothing with it"),
    ),
)
def run(
    file: Manifest,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="The run's folder; else runs/<name>.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_SEED, help="In place of population.seed.", show_default=False
        ),
    ] = None,
) -> int:  # fmt: skip
    from population_operator.app.cli.errors import problems_of
    from population_operator.app.cli.run import run

    with problems_of(file):
        return run(file, output, seed)


@app.command(
    epilog=_examples(
        ("validate digits.yaml", "one line if it is right, else one for each problem"),
        ("validate experiments/*.yaml", "all at once"),
        ("validate digits.yaml --server -n research", "also what only a cluster can know"),
    )
)
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Manifests to check.")],
    server: Annotated[
        bool,
        typer.Option("--server", help="Ask a cluster, too: would it take it, and its Pods?"),
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:
    """Check manifests: every problem at once, each with its place and what to write instead."""
    from population_operator.app.cli.access import Access
    from population_operator.app.cli.validate import validate

    access = Access(namespace, context, kubeconfig)
    if not server:
        if access.given:
            raise typer.BadParameter("a cluster is only asked with --server")
        return validate(files)
    from population_operator.app.cli.server import asking

    return validate(files, asking(access))


@app.command(epilog=_examples(("verify runs/digits", "1 if a decision does not follow")))
def verify(
    target: Target,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:
    """Replay a journal: does every decision follow from what was observed?"""
    from population_operator.app.cli.verify import verify

    return verify(_run_of(target, namespace, context, kubeconfig))


@app.command(
    epilog=_examples(
        ("status runs/digits", "the table that `run` shows, also while it runs"),
        ("status runs/digits -o json | jq .best", "for scripts; the format of result.json"),
        ("status digits -n research", "an experiment on a cluster, with its conditions"),
    )
)
def status(
    target: Target,
    output: Annotated[
        StatusFormat, typer.Option("--output", "-o", help="The form.")
    ] = StatusFormat.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:
    """Show how a run stands: phase, best, members, latest events."""
    from population_operator.app.cli.status import status

    return status(_run_of(target, namespace, context, kubeconfig), output)


@app.command(
    epilog=_examples(
        ("report runs/digits", "writes runs/digits/report.html"),
        ("report runs/digits -o digits.html", "one file that opens offline: send it to somebody"),
        ("report digits -n research", "of an experiment on a cluster: digits-report.html"),
    )
)
def report(
    target: Target,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to; else DIR/report.html.",
            show_default=False,
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:  # fmt: skip
    """Write the page about a run: scores, schedules, lineage. Works while it runs, too."""
    from population_operator.app.cli.report import report

    return report(_run_of(target, namespace, context, kubeconfig), output)


@app.command(
    epilog=_examples(
        ("schedule runs/digits", "from which step on which values"),
        ("schedule runs/digits -o csv > schedule.csv", "for a spreadsheet"),
        ("schedule runs/digits --member m3", "of a member instead of the best"),
    )
)
def schedule(
    target: Target,
    output: Annotated[
        TableFormat, typer.Option("--output", "-o", help="The form.")
    ] = TableFormat.TABLE,
    member: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of this member.", show_default=False)
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:
    """Print the schedule of hyperparameters that made the best model."""
    from population_operator.app.cli.schedule import schedule

    return schedule(_run_of(target, namespace, context, kubeconfig), output, member)


@app.command(
    epilog=_examples(
        ("lineage runs/digits", "the ancestors of everybody who is left"),
        ("lineage runs/digits --all", "also those who left no trace"),
    )
)
def lineage(
    target: Target,
    everything: Annotated[
        bool, typer.Option("--all", help="Also branches that left no trace.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:
    """Print who copied whom, as a tree; the way of the best model stands out."""
    from population_operator.app.cli.lineage import lineage

    return lineage(_run_of(target, namespace, context, kubeconfig), everything)
