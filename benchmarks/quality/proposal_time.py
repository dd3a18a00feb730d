"""What a proposal costs with `sampler: gaussianProcess`, beside Optuna's samplers.

Ten hyperparameters and 50 to 200 results: ours are of ASHA's rungs at 1, 3, 9 and 27 steps, Optuna
has as many trials at one budget. Ours fits the process and maximises LogEI; so does Optuna's GP
sampler, which begins where its last fit ended. Its TPE has densities instead. Processor time of
this process, the median of several proposals, each with one result more for Optuna: run it with one
thread (OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1).

Bound: with the most results, no longer than Optuna's GP sampler.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
from rich.console import Console

from benchmarks import harness
from population_operator.algorithms.modelled import modelled
from population_operator.api import PopulationExperiment
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.key import Key
from population_operator.model.state import Member, RungResult, State, member_name

NAMES = tuple(f"x{d}" for d in range(10))
RUNGS, ETA = (1, 3, 9, 27), 3
SIZES, QUICK_SIZES, REPEATS = (50, 100, 200), (50,), 11
BOUND = 1.0


def experiment() -> PopulationExperiment:
    """Ten numbers between 0 and 1."""
    return PopulationExperiment.model_validate(
        {
            "metadata": {"name": "time"},
            "spec": {
                "objective": {"metric": "loss", "goal": "minimize"},
                "parameters": [{"name": name, "float": {"min": 0, "max": 1}} for name in NAMES],
                "algorithm": {"asha": {"eta": ETA, "sampler": "gaussianProcess"}},
                "population": {"size": 1000, "parallelism": 2, "seed": 1},
                "schedule": {"interval": RUNGS[0], "maxSteps": RUNGS[-1]},
                "worker": {"local": {"command": ["none"]}},
            },
        }
    )


def loss(values: dict[str, float], step: int) -> float:
    """A bowl whose bottom is reached with time."""
    away = np.array(list(values.values())) - 0.4
    return 0.01 + float(away @ away) + 1.0 / step


def trials(results: int) -> Iterator[Member]:
    """Trials with so many results in all; every third of a rung is on the next one, too."""
    rng, left = np.random.default_rng(0), results
    for index in range(results):
        values = {name: float(rng.random()) for name in NAMES}
        last = sum(index % ETA**i == 0 for i in range(1, len(RUNGS)))
        reached = RUNGS[: min(last + 1, left)]
        if not reached:
            return
        left -= len(reached)
        rungs = tuple(RungResult(0, i, r, loss(values, r)) for i, r in enumerate(reached))
        decision = Decision(
            member=member_name(index), count=1, kind=DecisionKind.START, hyperparameters=values
        )
        yield Member(member_name(index), index, False, decision, rungs=rungs)


def ours(results: int) -> list[float]:
    """Milliseconds of each proposal."""
    spec, took = experiment(), []
    members = list(trials(results))
    state = State(members={member.name: member for member in members})
    index = len(members)
    while len(took) < REPEATS:
        began = time.process_time()
        found = modelled(spec, state, Key.of(spec))(index, [])
        if found is not None:  # A third are draws.
            took.append(1000 * (time.process_time() - began))
        index += 1
    return took


def optunas(sampler: str, results: int) -> list[float]:
    """Milliseconds of each proposal of Optuna's."""
    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=0))
    space = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in NAMES}
    rng = np.random.default_rng(0)
    for _ in range(results):
        values = {name: float(rng.random()) for name in NAMES}
        study.add_trial(
            optuna.trial.create_trial(
                params=values, distributions=dict(space), value=loss(values, RUNGS[-1])
            )
        )
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        trial = study.ask(dict(space))
        took.append(1000 * (time.process_time() - began))
        study.tell(trial, loss(trial.params, RUNGS[-1]))
    return took


def main(argv: list[str] | None = None) -> int:
    given = harness.arguments(__doc__, quick=f"{QUICK_SIZES[0]} results only").parse_args(argv)
    console, outcome = Console(), harness.Outcome("proposal_time")
    if os.environ.get("OMP_NUM_THREADS") != "1":
        console.print("[yellow]OMP_NUM_THREADS is not 1: waiting threads count, too[/]")
    sizes = QUICK_SIZES if given.quick else SIZES
    for results in sizes:
        found = {"ours": ours(results)}
        found |= {name: optunas(name, results) for name in ("GPSampler", "TPESampler")}
        median = {name: statistics.median(took) for name, took in found.items()}
        for name, milliseconds in median.items():
            outcome.measure(f"{name}, {results} results", milliseconds, "ms")
            outcome.details[f"{name}, {results}"] = found[name]
        bound = BOUND if results == sizes[-1] else None
        ratio = median["ours"] / median["GPSampler"]
        outcome.measure(f"ours / GPSampler, {results} results", ratio, at_most=bound)
    return outcome.conclude(console, given.output, timed=True)


if __name__ == "__main__":
    sys.exit(main())
