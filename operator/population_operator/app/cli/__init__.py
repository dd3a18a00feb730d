"""The program `population`, which is `kubectl population` as well.

Exit codes: 0 complete, 1 failed, 2 bad input, 130 interrupted. What was there and cannot be used (a
damaged journal, a full disk) is a failure for every command; what the user typed, bad input. A
user's mistake is told in lines on stderr, never as a traceback. Commands import what they need when
they run: `--help` and the shell's completion answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from typer.exceptions import Abort, TyperException

from population_operator.app.cli.commands import app
from population_operator.app.cli.errors import INTERRUPTED, explain


def main() -> None:
    """The entry point: runs the command that the process was started with, and exits."""
    sys.exit(run_command(sys.argv[1:], program_name(sys.argv[0])))


def program_name(path: str) -> str:
    """What the user typed to get here: kubectl calls its plugins by their file's name."""
    return "kubectl population" if Path(path).stem == "kubectl-population" else "population"


def run_command(arguments: Sequence[str], name: str = "population") -> int:
    """Run one command line; returns its exit code."""
    try:
        return app(args=list(arguments), prog_name=name, standalone_mode=False) or 0
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except TyperException as error:
        return _usage(error, name)
    except Exception as error:
        told = explain(error)
        if told is None:
            raise  # Nobody's mistake but ours: the traceback is what a bug report needs.
        print(told.text, file=sys.stderr)
        return told.code


def _usage(error: TyperException, name: str) -> int:
    """A command line that cannot be understood, in one line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else name
    message = error.format_message().strip()
    if not message:  # The program alone: its help was printed.
        return error.exit_code
    message = message.replace("Value error, ", "")
    text = f"{message[:1].lower()}{message[1:]}".rstrip(".")
    print(f"{command}: {text} (see `{command} --help`)", file=sys.stderr)
    return error.exit_code
