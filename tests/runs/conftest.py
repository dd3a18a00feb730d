"""Each run gets its own folder; at its end nothing of it runs, and its journal verifies."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from population_operator.adapters.local.folder import RunFolder
from tests.builders import ExperimentBuilder
from tests.runs.support import LONG, STANDARD, Run, until, write_manifest

EXAMPLES = Path(__file__).parents[2] / "examples"

Make = Callable[..., Run]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The standard experiment, complete, and nothing happened to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_manifest(folder / "experiment.yaml", STANDARD, "climb")
    run = Run(folder / "experiment.yaml", RunFolder(folder / "out"))
    assert any(d["kind"] == "exploit" for d in run.complete()["decisions"])
    run.check()
    return run


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """`make(experiment, program, **env)`: a run of one of `programs/`. In `at` where that is given.

    However a test left them: no worker outlives the run, every journal verifies, and every
    checkpoint that is still needed is there and unharmed.
    """
    runs: list[Run] = []

    def one(
        experiment: ExperimentBuilder, program: str = "climb", at: Path | None = None, **env: object
    ) -> Run:
        folder = tmp_path / f"run{len(runs)}"
        folder.mkdir()
        write_manifest(folder / "experiment.yaml", experiment, program, **env)
        runs.append(Run(folder / "experiment.yaml", RunFolder(at or folder / "out")))
        return runs[-1]

    yield one
    _end(runs)


@pytest.fixture
def make_example(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """`make_example("digits", maxSteps=100)`: a run of an example, with changes of its numbers."""
    runs: list[Run] = []

    def one(name: str, **numbers: int) -> Run:
        folder = tmp_path / f"{name}{len(runs)}"
        shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
        manifest = folder / "experiment.yaml"
        text = manifest.read_text()
        for field, value in numbers.items():
            before, found, after = text.partition(f"{field}: ")
            assert found, field
            text = before + found + str(value) + after.lstrip("0123456789")
        manifest.write_text(text)
        runs.append(Run(manifest, RunFolder(folder / "out")))
        return runs[-1]

    yield one
    _end(runs)


def _end(runs: list[Run]) -> None:
    for run in runs:
        for process in run.processes:
            if not process.ended:
                process.signal(signal.SIGKILL)
                process.popen.wait(LONG)
    for run in runs:
        until(lambda run=run: not run.workers(), "no worker is left behind", 10)
        run.check()
