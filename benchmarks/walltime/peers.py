"""Other people's searches over the same training, each by its own runner with two workers.

    python -m benchmarks.walltime.peers ray --seed 0 --points FILE --folder F

They run until they are ended from outside. What is not the default is in a peer's favour: Ray uses
its actors again, Syne Tune looks at its trials every 0.1 s (5 s), Optuna's processes share a
journal file. `points` are the random configurations that Ray's and Syne Tune's ASHA go through in
order; where a peer has a model, its sampler is its own.

This runs in the peers' interpreter (see `benchmarks.quality.environment`).
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.walltime.task import ETA, POPULATION, STEPS, chosen

ROOT = Path(__file__).resolve().parents[2]
ENDLESS = 1e9
Points = list[dict[str, Any]]


def ray(seed: int, points: Points, folder: Path, model: bool = False) -> None:
    """Ray Tune's ASHA: its only variant, stopping. `model`: Optuna's TPE proposes."""
    import ray as library
    from ray import tune

    def train(values: dict[str, Any]) -> None:
        model = chosen().model(values)
        for _ in range(STEPS):
            loss = model.train()
            tune.report({"loss": loss, "step": model.step})

    search: Any = tune.search.BasicVariantGenerator(points)
    if model:
        from ray.tune.search.optuna import OptunaSearch

        search = OptunaSearch(seed=seed)
    library.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    tune.Tuner(
        train,
        param_space=_ray_domains(),
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", num_samples=len(points), max_concurrent_trials=2,
            reuse_actors=True, search_alg=search,
            scheduler=tune.schedulers.ASHAScheduler(
                time_attr="step", max_t=STEPS, grace_period=1, reduction_factor=ETA
            ),
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()  # fmt: skip


def _ray_domains() -> dict[str, Any]:
    from ray import tune

    kinds = {"log": tune.loguniform, "linear": tune.uniform, "whole": tune.lograndint}
    space = chosen().space
    return {name: kinds[scale](low, high) for name, (low, high, scale) in space.items()}


def ray_pbt(seed: int, points: Points, folder: Path, interval: int = 1) -> None:
    """Ray's PBT, asynchronous; a worker is given another member without being started again."""
    import random

    import ray as library
    from ray import tune

    class Trained(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.model = chosen().model(config)

        def step(self) -> dict[str, Any]:
            loss = self.model.train()
            done = self.model.step >= STEPS
            return {
                "loss": loss if loss == loss else ENDLESS,
                "at": self.model.step,
                "done": done,
            }

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            self.model.save(Path(checkpoint_dir))

        def load_checkpoint(self, checkpoint: Any) -> None:
            self.model.load(Path(checkpoint))

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

    random.seed(seed)
    domains = _ray_domains()
    library.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    for first in range(0, len(points), POPULATION):  # Trained to the end in vain: another one.
        tune.Tuner(
            Trained,
            param_space=domains,
            tune_config=tune.TuneConfig(
                metric="loss", mode="min", num_samples=POPULATION, reuse_actors=True,
                search_alg=tune.search.BasicVariantGenerator(points[first : first + POPULATION]),
                scheduler=tune.schedulers.PopulationBasedTraining(
                    time_attr="at", perturbation_interval=interval, hyperparam_mutations=domains,
                    quantile_fraction=0.25, resample_probability=0.25,
                ),
            ),
            run_config=tune.RunConfig(
                storage_path=str(folder), verbose=0,
                checkpoint_config=tune.CheckpointConfig(num_to_keep=4),
            ),
        ).fit()  # fmt: skip


def ray_pbt_3(seed: int, points: Points, folder: Path) -> None:
    """The same, where members take turns every three steps."""
    ray_pbt(seed, points, folder, interval=3)


def ray_tpe(seed: int, points: Points, folder: Path) -> None:
    """The same, with configurations by Optuna's TPE."""
    ray(seed, points, folder, model=True)


def syne(seed: int, points: Points, folder: Path, model: bool = False) -> None:
    """Syne Tune's ASHA on its local backend: a process for each trial. `model`: its BOHB."""
    from syne_tune import Tuner, config_space
    from syne_tune.backend import LocalBackend
    from syne_tune.optimizer.baselines import ASHA, BOHB

    os.environ["SYNETUNE_FOLDER"] = str(folder)
    space = chosen().space
    kinds = {"log": config_space.loguniform, "linear": config_space.uniform,
             "whole": config_space.lograndint}  # fmt: skip
    Tuner(
        trial_backend=LocalBackend(entry_point=str(Path(__file__).with_name("syne_trial.py"))),
        scheduler=(BOHB if model else ASHA)(
            {name: kinds[scale](low, high) for name, (low, high, scale) in space.items()},
            metric="loss", time_attr="step", max_t=STEPS, reduction_factor=ETA, random_seed=seed,
            points_to_evaluate=None if model else points,
        ),
        stop_criterion=lambda status: False,
        n_workers=2, sleep_time=0.1, save_tuner=False,
    ).run()  # fmt: skip


def syne_bohb(seed: int, points: Points, folder: Path) -> None:
    """ASHA with BOHB's density model."""
    syne(seed, points, folder, model=True)


def optuna(seed: int, points: Points, folder: Path, kind: str = "") -> None:
    """TPE with Hyperband's pruner, two processes over a journal file."""
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_optuna, args=(2 * seed + i, folder, kind)) for i in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()


def optuna_sha(seed: int, points: Points, folder: Path) -> None:
    """The same with the pruner of successive halving."""
    optuna(seed, points, folder, "halving")


def optuna_gp(seed: int, points: Points, folder: Path) -> None:
    """A Gaussian process with Hyperband's pruner."""
    optuna(seed, points, folder, "process")


def _optuna(seed: int, folder: Path, kind: str) -> None:
    import optuna as library
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    library.logging.set_verbosity(library.logging.ERROR)

    def objective(trial: Any) -> float:
        values: dict[str, Any] = {}
        for name, (low, high, scale) in chosen().space.items():
            if scale == "whole":
                values[name] = trial.suggest_int(name, int(low), int(high), log=True)
            else:
                values[name] = trial.suggest_float(name, low, high, log=scale == "log")
        model = chosen().model(values)
        loss = ENDLESS
        for _ in range(STEPS):
            loss = model.train()
            trial.report(loss, model.step)
            if model.step < STEPS and trial.should_prune():
                raise library.TrialPruned
        return loss if loss == loss else ENDLESS

    pruner: Any = library.pruners.HyperbandPruner(1, STEPS, ETA)
    if kind == "halving":
        pruner = library.pruners.SuccessiveHalvingPruner(1, ETA)
    sampler: Any = library.samplers.TPESampler(seed=seed, constant_liar=True)
    if kind == "process":
        sampler = library.samplers.GPSampler(seed=seed)
    study = library.create_study(
        study_name="walltime",
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )
    study.optimize(objective)


RUNNERS: dict[str, Callable[[int, Points, Path], None]] = {
    "ray": ray, "ray-tpe": ray_tpe, "ray-pbt": ray_pbt, "ray-pbt-3": ray_pbt_3,
    "syne": syne, "syne-bohb": syne_bohb,
    "optuna": optuna, "optuna-sha": optuna_sha, "optuna-gp": optuna_gp,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=RUNNERS)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--points", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    RUNNERS[given.peer](given.seed, json.loads(given.points.read_text()), given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
