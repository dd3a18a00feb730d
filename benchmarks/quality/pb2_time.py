"""What a PB2 decision costs at 200 and 1000 intervals in 8 dimensions, beside Ray's.

Eight members of which two are exploited, the last 200 and 1000 of their intervals known. Ours is
the whole `decide`: the model, its hyperparameters, both members' values. Ray's is `_explore` of its
scheduler, the choice for *one* of the two, from the same intervals. Processor time of this process:
run it with one thread for each (OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1), so that it is wall-clock
time on an idle machine. The median of several decisions; Ray's at 1000 takes minutes, and is made
once.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import harness
from population_operator.algorithms.pb2 import PopulationBasedBandits
from population_operator.api import PopulationExperiment
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import Phase
from population_operator.model.key import Key
from population_operator.model.report import Report
from population_operator.model.state import Member, State, Transition

MEMBERS, DIMENSIONS, NOISE = 8, 8, 0.1
SIZES = (200, 1000)
REPEATS = 11
MILLISECONDS, SHARE = 100.0, 0.05
"""Bounds at 1000: ours, and ours over Ray's."""


def experiment() -> PopulationExperiment:
    """Eight numbers between 0 and 1."""
    parameters = [{"name": f"x{d}", "float": {"min": 0, "max": 1}} for d in range(DIMENSIONS)]
    return PopulationExperiment.model_validate(
        {
            "metadata": {"name": "time"},
            "spec": {
                "objective": {"metric": "score"},
                "parameters": parameters,
                "algorithm": {"pb2": {}},
                "population": {"size": MEMBERS, "seed": 1},
                "schedule": {"interval": 1, "maxSteps": 1000, "synchronous": True},
                "worker": {"local": {"command": ["none"]}},
            },
        }
    )


def state_with(rows: int, seed: int) -> State:
    """A population after so many intervals, whose optimum drifts."""
    rng = np.random.default_rng(seed)
    intervals = rows // MEMBERS
    scores, transitions = np.zeros(MEMBERS), []
    for index in range(2, intervals + 2):
        for m in range(MEMBERS):
            x = rng.random(DIMENSIONS)
            away = x - (0.3 + 0.4 * index / intervals)
            gain = float(np.exp(-0.5 * away @ away / 0.5) + NOISE * rng.normal())
            values = {f"x{d}": float(v) for d, v in enumerate(x)}
            before, scores[m] = scores[m], scores[m] + gain
            transitions.append(
                Transition(f"m{m}", index, 1, values, float(before), float(scores[m]))
            )
    members = [_member(m, intervals + 1, transitions[m - MEMBERS]) for m in range(MEMBERS)]
    return State(
        phase=Phase.RUNNING, members={m.name: m for m in members}, transitions=tuple(transitions)
    )


def _member(index: int, step: int, last: Transition) -> Member:
    decision = Decision(
        member=last.member,
        count=step,
        kind=DecisionKind.CONTINUE,
        hyperparameters=dict(last.hyperparameters),
    )
    report = Report(directive=step, member=last.member, step=step, score=last.after)
    fresh = Member(name=last.member, index=index, baseline=False, decision=decision)
    return replace(fresh, step=step, reported=True, latest=report, good=report, directives=(step,))


def ours(rows: int) -> list[float]:
    """Milliseconds of each decision."""
    spec, algorithm = experiment(), PopulationBasedBandits()
    took = []
    for seed in range(REPEATS):
        state = state_with(rows, seed)
        began = time.process_time()
        answers = algorithm.decide(spec, state, tuple(state.members), 0, Key("seed:1"))
        took.append(1000 * (time.process_time() - began))
        if sum(a.expected is not None for a in answers) != 2:
            raise RuntimeError("two members should have been given values by the model")
    return took


def rays(rows: int) -> float:
    """Milliseconds of Ray's choice for one member."""
    import pandas
    from ray.tune.schedulers.pb2 import _explore

    warnings.simplefilter("ignore")
    state, names = state_with(rows, 0), [f"x{d}" for d in range(DIMENSIONS)]
    table: list[list[Any]] = []
    for t in state.transitions:
        values = [t.hyperparameters[name] for name in names]
        table.append([t.member, t.index - 1, *values, t.before])
        table.append([t.member, t.index, *values, t.after])
    data = pandas.DataFrame(table, columns=["Trial", "Time", *names, "Reward"])
    base = _Named("m1")
    config = dict(state.members["m1"].decision.hyperparameters)
    bounds = dict.fromkeys(names, (0.0, 1.0))
    began = time.process_time()
    _explore(data, bounds, None, base, _Named("m0"), config)
    return 1000 * (time.process_time() - began)


class _Named(SimpleNamespace):
    """What `_explore` touches of a trial: its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)

    def __str__(self) -> str:
        return str(self.name)


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick="200 intervals only")
    given = parser.parse_args(argv)
    console, outcome = Console(), harness.Outcome("pb2_time")
    with_ray = importlib.util.find_spec("ray") is not None
    for rows in SIZES[:1] if given.quick else SIZES:
        took = ours(rows)
        median, largest = statistics.median(took), rows == SIZES[-1]
        bound = MILLISECONDS if largest else None
        outcome.measure(f"ours, {rows} intervals", median, "ms", at_most=bound)
        outcome.details[f"ours, {rows}"] = took
        if with_ray:
            other = rays(rows)
            outcome.measure(f"Ray, {rows} intervals", other, "ms")
            share = SHARE if largest else None
            outcome.measure(f"ours / Ray, {rows} intervals", median / other, at_most=share)
    if not with_ray:
        console.print("[yellow]Ray is not installed: its lines are left out[/]")
    return outcome.conclude(console, given.output, timed=True)


if __name__ == "__main__":
    sys.exit(main())
