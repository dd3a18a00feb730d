"""`population run`: train a population on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

from population_operator.adapters.local import RunFolder
from population_operator.api import PopulationExperiment
from population_operator.api.changes import refused_changes
from population_operator.api.problems import ManifestError, Problem
from population_operator.app.cli.errors import COMPLETE, FAILED, INTERRUPTED
from population_operator.app.cli.live import LiveTable
from population_operator.app.cli.source import whole_history
from population_operator.app.embedded import EmbeddedRun, Program
from population_operator.app.manifest import load
from population_operator.app.report import write_report
from population_operator.app.result import write_result
from population_operator.model.entry import Phase
from population_operator.model.state import State


def run(file: Path, output: Path | None, seed: int | None) -> int:
    """Run the experiment in `file` to its end, or go on with it; returns the exit code.

    Raises:
      ManifestError: the manifest is wrong, or contradicts what the folder already holds.
      JournalInUseError, JournalUnavailableError: the folder cannot be used.
    """
    experiment = load(file)
    if seed is not None:
        population = experiment.spec.population.model_copy(update={"seed": seed})
        spec = experiment.spec.model_copy(update={"population": population})
        experiment = experiment.model_copy(update={"spec": spec})
    if experiment.spec.suspend:
        raise ManifestError((Problem("spec.suspend", "is true: write false, or remove it"),))
    program = program_of(experiment, file)
    folder = RunFolder(output or Path("runs") / experiment.metadata.name)
    return asyncio.run(_run(experiment, program, folder))


async def _run(experiment: PopulationExperiment, program: Program, folder: RunFolder) -> int:
    embedded = EmbeddedRun(experiment, folder)
    try:
        before = whole_history(await embedded.known(), str(folder.journal))
        _refuse_changes(experiment, before.state)
        if before.state.phase.ended:
            await embedded.tidy(before.state)
            history = whole_history(await embedded.known(), str(folder.journal))
            print(f"{folder.root} holds a run that has ended; another --output starts a new one")
        else:
            with LiveTable(starting=embedded.starting) as table:
                if before.state.experiment is not None:
                    table.resume(before.state, before)
                _, history = await embedded.run(program, table.update)
        write_result(folder.result, history, folder)
        write_report(folder.report, history)
    finally:
        embedded.close()
    return _conclude(history.state, folder)


def program_of(experiment: PopulationExperiment, file: Path) -> Program:
    """What a worker runs: `worker.local.command`, else the first container's command.

    It runs in the manifest's folder, and finds the programs of this Python's environment first.

    Raises:
      ManifestError: there is none, or it is not there.
    """
    worker, path = experiment.spec.worker, "spec.worker.local.command"
    command = worker.local.command if worker.local else ()
    if not command and worker.template is not None:
        container = worker.template["spec"]["containers"][0]
        command = (*container.get("command", ()), *container.get("args", ()))
        path = "spec.worker.template.spec.containers[0].command"
    if not command:
        raise ManifestError((Problem(path, "is missing: write what a worker runs"),))
    cwd = file.resolve().parent
    env = dict(worker.local.env) if worker.local else {}
    programs = os.pathsep.join(
        (str(Path(sys.executable).parent), env.get("PATH", os.environ.get("PATH", os.defpath)))
    )
    found = shutil.which(
        command[0] if os.sep not in command[0] else str(cwd / command[0]), path=programs
    )
    if found is None:
        why = f"{command[0]!r} is no program on this machine: write one that is, or its full path"
        raise ManifestError((Problem(f"{path}[0]", why),))
    return Program((found, *command[1:]), {**env, "PATH": programs}, cwd)


def _refuse_changes(experiment: PopulationExperiment, before: State) -> None:
    """What a run depends on may not have changed since the folder's state."""
    if before.experiment is None:
        return
    if problems := refused_changes(before.spec, experiment):
        raise ManifestError(problems)


def _conclude(state: State, folder: RunFolder) -> int:
    best = state.best
    if best is not None:
        values = ", ".join(f"{k}={v:.6g}" for k, v in best.metrics.items())
        print(
            f"best: {best.member} at step {best.step}, "
            f"{state.spec.spec.objective.metric}={best.score:.6g}"
            + (f", {values}" if values else "")
        )
    print(f"report: {folder.report}    result: {folder.result}")
    match state.phase:
        case Phase.COMPLETE:
            return COMPLETE
        case Phase.SUSPENDED:
            print("suspended: the same command goes on from here")
            return INTERRUPTED
        case _:
            print(f"failed: {state.phase_reason}: {state.phase_message}", file=sys.stderr)
            return FAILED
