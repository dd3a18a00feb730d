"""Other people's optimisers on the same curves and the same virtual time.

Their own classes decide; only the workers are ours: `WORKERS` of them, one step a second, every
trial goes on from its checkpoint, decisions take no time. Each scheduler is asked what its own
runner asks it: Optuna's study (`ask`, `report`, `should_prune`, `tell`), Ray's and Syne Tune's
`on_trial_add` and `on_trial_result` after every step, hpbandster's iterations and its generator.

    python -m benchmarks.quality.peers [JSON]        {"peer", "problem", "seed", "seconds"}, a list

This runs in the peers' interpreter (see `environment.py`), which knows nothing of the operator. It
prints a line of JSON for each task: {"task", "results": [[second, step, score], ...], "late"}. A
run that takes more than `LIMIT` seconds of a processor is cut off there, and late.
"""

from __future__ import annotations

import argparse
import heapq
import json
import logging
import random
import signal
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from benchmarks.quality.curves import PROBLEMS, STEPS, Axis

WORKERS, ETA = 4, 3
LIMIT = 300
Results = list[list[float]]


@dataclass
class Trial:
    """A trial as the workers see it; `step` is how far it is trained."""

    name: int
    values: dict[str, Any]
    step: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


class Peer(Protocol):
    """What a worker asks an optimiser."""

    def next(self) -> Trial | None:
        """Whom to train; none where others have to finish first."""
        ...

    def told(self, trial: Trial, score: float) -> bool:
        """A step's score; whether the trial goes on at once."""
        ...


class Optuna:
    """TPE with the Hyperband pruner, defaults; running trials count as bad (`constant_liar`)."""

    def __init__(self, axes: tuple[Axis, ...], seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner = optuna.pruners.HyperbandPruner(1, STEPS, ETA)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._pruned = optuna.trial.TrialState.PRUNED
        self.study = optuna.create_study(
            study_name=f"seed-{seed}", direction="maximize", sampler=sampler, pruner=pruner
        )
        self.axes = axes

    def next(self) -> Trial:
        trial = self.study.ask()
        values = {
            a.name: trial.suggest_int(a.name, int(a.low), int(a.high), log=a.log)
            if a.whole
            else trial.suggest_float(a.name, a.low, a.high, log=a.log)
            for a in self.axes
        }
        return Trial(trial.number, values, extra={"trial": trial})

    def told(self, trial: Trial, score: float) -> bool:
        theirs = trial.extra["trial"]
        theirs.report(score, trial.step)
        if trial.step >= STEPS:
            self.study.tell(theirs, score)
            return False
        if theirs.should_prune():
            self.study.tell(theirs, state=self._pruned)
            return False
        return True


class Ray:
    """Ray Tune's ASHA over random configurations."""

    def __init__(self, axes: tuple[Axis, ...], seed: int) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler

        self.scheduler = AsyncHyperBandScheduler(
            time_attr="step", metric="score", mode="max", max_t=STEPS, reduction_factor=ETA
        )
        self.axes, self.rng, self.count = axes, np.random.default_rng(seed), 0

    def next(self) -> Trial:
        trial = Trial(self.count, {a.name: drawn(a, self.rng) for a in self.axes})
        trial.extra["trial"] = SimpleNamespace(trial_id=str(trial.name))
        self.scheduler.on_trial_add(None, trial.extra["trial"])
        self.count += 1
        return trial

    def told(self, trial: Trial, score: float) -> bool:
        result = {"step": trial.step, "score": score}
        said = self.scheduler.on_trial_result(None, trial.extra["trial"], result)
        return bool(said == "CONTINUE" and trial.step < STEPS)


class SyneTune:
    """A scheduler of Syne Tune's baselines, by its name."""

    def __init__(self, axes: tuple[Axis, ...], seed: int, which: str) -> None:
        from syne_tune import config_space
        from syne_tune.backend.trial_status import Trial as Theirs
        from syne_tune.optimizer import baselines

        def domain(axis: Axis) -> Any:
            kind = "randint" if axis.whole else "uniform"
            if axis.log:
                kind = "lograndint" if axis.whole else "loguniform"
            return getattr(config_space, kind)(axis.low, axis.high)

        self.scheduler = getattr(baselines, which)(
            {a.name: domain(a) for a in axes}, metric="score", time_attr="step", max_t=STEPS,
            reduction_factor=ETA, do_minimize=False, random_seed=seed,
        )  # fmt: skip
        self.theirs, self.count = Theirs, 0

    def next(self) -> Trial | None:
        suggestion = self.scheduler.suggest()
        if suggestion is None:
            return None
        if not suggestion.spawn_new_trial_id:
            raise NotImplementedError("this scheduler resumes trials")
        made = self.theirs(self.count, suggestion.config, datetime(2026, 1, 1))
        self.count += 1
        self.scheduler.on_trial_add(made)
        return Trial(made.trial_id, suggestion.config, extra={"trial": made})

    def told(self, trial: Trial, score: float) -> bool:
        result = {"step": trial.step, "score": score}
        if trial.step >= STEPS:
            self.scheduler.on_trial_complete(trial.extra["trial"], result)
            return False
        return bool(self.scheduler.on_trial_result(trial.extra["trial"], result) == "CONTINUE")


class HpBandSter:
    """hpbandster's BOHB: its iterations and its generator, in the order of its own master."""

    def __init__(self, axes: tuple[Axis, ...], seed: int) -> None:
        import ConfigSpace
        from hpbandster.core.dispatcher import Job
        from hpbandster.optimizers.config_generators.bohb import BOHB
        from hpbandster.optimizers.iterations import SuccessiveHalving

        logging.getLogger("hpbandster").setLevel(logging.CRITICAL)
        kinds = {True: ConfigSpace.UniformIntegerHyperparameter,
                 False: ConfigSpace.UniformFloatHyperparameter}  # fmt: skip
        space = ConfigSpace.ConfigurationSpace(seed=seed)
        for a in axes:
            low, high = (int(a.low), int(a.high)) if a.whole else (a.low, a.high)
            space.add(kinds[a.whole](a.name, lower=low, upper=high, log=a.log))
        quiet = logging.getLogger("quiet")
        quiet.setLevel(logging.CRITICAL)
        self.generator = BOHB(space, logger=quiet)
        self.job, self.halving, self.quiet = Job, SuccessiveHalving, quiet
        self.iterations: list[Any] = []
        self.trials: dict[Any, Trial] = {}
        self.modelled = 0

    def _iteration(self) -> Any:
        number, most = len(self.iterations), 4
        s = most - 1 - number % most
        count = int(np.floor(most / (s + 1)) * ETA**s)
        sizes = [max(int(count * ETA**-i), 1) for i in range(s + 1)]
        budgets = [STEPS // ETA ** (s - i) for i in range(s + 1)]
        return self.halving(number, sizes, budgets, self._configuration, logger=self.quiet)

    def _configuration(self, budget: float) -> Any:
        found, info = self.generator.get_config(budget)
        self.modelled += bool(info.get("model_based_pick"))
        return found, info

    def next(self) -> Trial | None:
        for iteration in self.iterations:
            run = iteration.get_next_run() if not iteration.is_finished else None
            if run is not None:
                return self._started(iteration, run)
        self.iterations.append(self._iteration())
        return self._started(self.iterations[-1], self.iterations[-1].get_next_run())

    def _started(self, iteration: Any, run: Any) -> Trial:
        name, values, budget = run
        trial = self.trials.setdefault(name, Trial(len(self.trials), dict(values)))
        trial.extra = {"iteration": iteration, "run": run, "until": budget}
        return trial

    def told(self, trial: Trial, score: float) -> bool:
        if trial.step < trial.extra["until"]:
            return True
        name, values, budget = trial.extra["run"]
        job = self.job(name, config=values, budget=budget)
        job.result = {"loss": -score, "info": {}}
        trial.extra["iteration"].register_result(job)
        self.generator.new_result(job)
        return False


PEERS: dict[str, Callable[[tuple[Axis, ...], int], Peer]] = {
    "Optuna TPE + Hyperband": Optuna,
    "Ray ASHA": Ray,
    "Syne Tune ASHA": lambda axes, seed: SyneTune(axes, seed, "ASHA"),
    "Syne Tune BOHB": lambda axes, seed: SyneTune(axes, seed, "BOHB"),
    "hpbandster BOHB": HpBandSter,
}


def drawn(axis: Axis, rng: np.random.Generator) -> float:
    """An even draw on the axis's scale."""
    unit = rng.random()
    if axis.log:
        value = axis.low * (axis.high / axis.low) ** unit
    else:
        value = axis.low + unit * (axis.high - axis.low)
    return round(value) if axis.whole else float(value)


def run(task: dict[str, Any]) -> str:
    """One run: the results at every rung's end until the time is over."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)  # Syne Tune warns of its own defaults, run by run.
    results: Results = []
    late = False
    signal.signal(signal.SIGPROF, _too_late)
    signal.setitimer(signal.ITIMER_PROF, LIMIT, 1.0)  # Again, as hpbandster catches everything.
    try:
        (optuna_gp if task["peer"] == "Optuna GP" else search)(task, results)
    except TimeoutError:
        late = True
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    return json.dumps({"task": task, "results": results, "late": late})


def _too_late(number: int, frame: object) -> None:
    raise TimeoutError


def search(task: dict[str, Any], results: Results) -> None:
    """A search with `WORKERS` workers; adds [second, step, score]."""
    seed, problem = int(task["seed"]), PROBLEMS[task["problem"]]
    random.seed(seed)
    np.random.seed(seed)
    peer = PEERS[task["peer"]](problem.axes, seed)
    events: list[tuple[float, int, Trial]] = []
    idle, order, now = WORKERS, 0, 0.0
    while now <= task["seconds"]:
        while idle and (trial := peer.next()) is not None:
            idle, order = idle - 1, order + 1
            heapq.heappush(events, (now + 1.0, order, trial))
        now, _, trial = heapq.heappop(events)
        trial.step += 1
        score = float(problem.scores(trial.values)[trial.step - 1])
        if now <= task["seconds"] and trial.step in (1, 3, 9, 27):
            results.append([now, trial.step, score])
        if peer.told(trial, score):
            order += 1
            heapq.heappush(events, (now + 1.0, order, trial))
        else:
            idle += 1


def optuna_gp(task: dict[str, Any], results: Results) -> None:
    """Optuna's GP sampler, one evaluation after another; adds [count, STEPS, full score]."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = PROBLEMS[task["problem"]]
    sampler = optuna.samplers.GPSampler(seed=task["seed"], deterministic_objective=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for count in range(1, int(task["seconds"]) + 1):
        trial = study.ask()
        values = {a.name: trial.suggest_float(a.name, a.low, a.high) for a in problem.axes}
        score = float(problem.full(values))  # type: ignore[union-attr]
        study.tell(trial, score)
        results.append([count, STEPS, score])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int)
    parser.add_argument("tasks", nargs="?", help="a list in JSON (default: from the input)")
    given = parser.parse_args()
    with ProcessPoolExecutor(given.processes) as pool:
        for line in pool.map(run, json.loads(given.tasks or sys.stdin.read())):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
