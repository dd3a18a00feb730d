"""`report.html`: one file about one run, that opens offline and asks nobody for anything."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from population_operator.app.files import replace_file
from population_operator.app.report import plotlyjs
from population_operator.app.report.figure import tidy
from population_operator.app.report.page import Page, page_of
from population_operator.core.history import History

TEMPLATES = Path(__file__).parent / "templates"
PLOTLY = "@@plotly.js@@"
"""Where the program goes, which never passes through a template: it is five megabytes."""


def write_report(path: Path, history: History) -> None:
    """Write the page about a run so far; a reader sees all of it, or the page before.

    Raises:
      OSError: the disk is full, or the folder cannot be written to.
    """
    made = history.state.ended_at or time.time()
    replace_file(path, _parts(page_of(history, made)))


def render(history: History, made: float) -> str:
    """The page as one text; `made` is now, in seconds since the epoch."""
    return b"".join(_parts(page_of(history, made))).decode()


def _parts(page: Page) -> Iterator[bytes]:
    program = plotlyjs.source() if page.figures else b""
    behaviour = (TEMPLATES / "page.js").read_text()
    html = (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            style=Markup((TEMPLATES / "style.css").read_text()),  # noqa: S704 - a file of ours
            behaviour=Markup(behaviour),  # noqa: S704 - a file of ours
            figures=_embedded([figure.to_json() for figure in page.figures]),
            plotly=PLOTLY if page.figures else "",
            scripts=[plotlyjs.digest(s) for s in (program, behaviour.encode()) if s],
        )
    )
    if not page.figures:
        yield html.encode()
        return
    before, _, after = html.rpartition(PLOTLY)  # The last: names in the page may say anything.
    yield before.encode()
    yield program
    yield after.encode()


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _embedded(data: object) -> Markup:
    """JSON that can stand in a script element, whatever text is in it."""
    text = json.dumps(tidy(data), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - no character in it can end the element
