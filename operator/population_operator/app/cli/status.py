"""`population status`: how a run stands, without waiting for it."""

from __future__ import annotations

from rich.console import Console

from population_operator.app import words
from population_operator.app.cli.errors import COMPLETE
from population_operator.app.cli.live import EVENTS, notable
from population_operator.app.cli.source import history_of
from population_operator.app.cli.table import picture
from population_operator.app.result import Result


def status(target: str, output: str) -> int:
    """Print the table of `population run` as it was last, or all of it as JSON."""
    history = history_of(target)
    if output == "json":
        print(Result.of(history).to_json(), end="")
        return COMPLETE
    state, console = history.state, Console()
    recent = [
        (happening.time - state.started_at, words.sentence(happening))
        for happening in history.happenings
        if notable(happening)
    ][-EVENTS:]
    if not console.is_terminal:
        console = Console(width=max(console.width, 160), height=len(state.members) + 20)
    width, height = console.size
    console.print(picture(state, history, recent, now=state.time, width=width, height=height))
    return COMPLETE
