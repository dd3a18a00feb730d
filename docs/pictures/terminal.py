"""What a terminal shows of a program, as a picture."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS, ROWS = 132, 34
# Rich's own format, with fonts that every machine has instead of one from the network.
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">
{matrix}</g></g></svg>
"""
_RICH = {"brown": "yellow"}


class Terminal:
    """A screen of COLUMNS x ROWS on which programs run one after the other."""

    def __init__(self, rows: int = ROWS) -> None:
        self._screen = pyte.Screen(COLUMNS, rows)
        self._stream = pyte.ByteStream(self._screen)

    def type(self, line: str) -> None:
        """As a person would have typed it, after a prompt."""
        self._stream.feed(f"\x1b[32m$\x1b[0m \x1b[1m{line}\x1b[0m\r\n".encode())

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        until: Callable[[str], bool] = lambda text: False,
    ) -> None:
        """Shows the program until it ends, or until the screen's text satisfies `until`.

        The program then goes on unseen to its end.
        """
        ours, theirs = pty.openpty()
        size = struct.pack("HHHH", self._screen.lines, COLUMNS, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        known = os.environ | (environment or {}) | {"TERM": "xterm-256color"}
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=known, start_new_session=True
        )
        os.close(theirs)
        seen = False
        while chunk := _read(ours):
            if not seen:
                self._stream.feed(chunk)
                seen = until("\n".join(self._screen.display))
        os.close(ours)
        if process.wait():
            raise RuntimeError(f"{' '.join(command)} failed:\n" + "\n".join(self._screen.display))

    def save(self, target: Path, title: str) -> None:
        """As SVG, without the empty rows at the end."""
        console = Console(record=True, width=COLUMNS, file=io.StringIO())
        rows = [self._row(index) for index in range(self._screen.lines)]
        while rows and not rows[-1].plain.strip():
            rows.pop()
        for row in rows:
            console.print(row, no_wrap=True, crop=False)
        text = console.export_svg(
            title=title, theme=MONOKAI, code_format=_FORMAT, unique_id=target.stem
        )
        target.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")

    def _row(self, index: int) -> Text:
        row = Text()
        for column in range(COLUMNS):
            cell = self._screen.buffer[index][column]
            style = Style(
                color=_color(cell.fg), bgcolor=_color(cell.bg), bold=cell.bold, reverse=cell.reverse
            )
            row.append(cell.data, style)
        return row


def _read(descriptor: int) -> bytes:
    """Nothing when the program has ended."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


def _color(name: str) -> str | None:
    """pyte's names and hexadecimal digits, as rich writes them."""
    if name == "default":
        return None
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    bright = name.removeprefix("bright")
    known = _RICH.get(bright, bright)
    return f"bright_{known}" if bright != name else known
