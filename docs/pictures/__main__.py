"""`python -m docs.pictures`: the pictures of the README, from real runs.

run      `population run` of the digits example, in the middle of its run, and its report
cluster  what kubectl says of the same example on the cluster of `make e2e` (needs root)
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from docs.pictures.terminal import Terminal

FOLDER = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 1500
ENOUGH_STEPS = 720


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m docs.pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("which", choices=("run", "cluster"), nargs="?", default="run")
    if parser.parse_args().which == "cluster":
        from docs.pictures.cluster import pictures

        pictures(FOLDER)
    else:
        _run()
    return 0


def _run() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "digits"
        terminal = Terminal()
        terminal.type("population run examples/digits/experiment.yaml")
        population = str(Path(sys.executable).with_name("population"))
        terminal.run(
            [population, "run", "examples/digits/experiment.yaml", "--output", str(output)],
            until=_is_under_way,
        )
        terminal.save(FOLDER / "run.svg", "population run")
        _screenshot(output / "report.html", FOLDER / "report.png")


def _is_under_way(text: str) -> bool:
    found = re.search(r"m7 +(\d+)", text)
    return found is not None and int(found[1]) >= ENOUGH_STEPS


def _screenshot(page: Path, target: Path) -> None:
    """By a Chromium without a window."""
    for browser in BROWSERS:
        try:
            subprocess.run(
                [
                    *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                    *("--virtual-time-budget=15000", f"--window-size={WIDTH},{HEIGHT}"),
                    *(f"--screenshot={target}", page.as_uri()),
                ],
                check=True,
                capture_output=True,
                timeout=120,
            )
        except FileNotFoundError:
            continue
        return
    raise SystemExit(f"no browser for {target}: install one of {', '.join(BROWSERS)}")


if __name__ == "__main__":
    raise SystemExit(main())
