"""Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), by Optuna's sampler.

Optuna is used as a pure function: a study in memory is given every trial that ended and every one
that runs, asked for one more, and thrown away. Its random numbers are keyed by the trial's name, so
the same fold gives the same configuration.

- Parameters are modelled independently, each where it is active: conditional spaces work as they
  are. Running trials count as bad ("constant liar"), so that workers do not try the same twice.
- A trial that failed, or ended in a NaN, is one of the worst; ties are Optuna's: the earlier first.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

from population_operator.algorithms.base import MissingLibrary, Plan
from population_operator.algorithms.full_trials import (
    Configurations,
    ended,
    final_score,
    left,
    most,
    train_fully,
)
from population_operator.algorithms.start import FIRST
from population_operator.algorithms.trials import drawn
from population_operator.api import (
    CategoricalDomain,
    FloatDomain,
    Parameter,
    PopulationExperiment,
    Scale,
    Value,
)
from population_operator.api.trials import Tpe as Block
from population_operator.model.decision import Decision
from population_operator.model.key import Key
from population_operator.model.report import merit
from population_operator.model.space import Hyperparameters, Space, category, clip, is_active
from population_operator.model.state import State, member_name


class TreeParzen:
    """The manifest's `tpe` block."""

    def decide(
        self,
        experiment: PopulationExperiment,
        state: State,
        ready: tuple[str, ...],
        free: int,
        key: Key,
    ) -> tuple[Decision, ...]:
        """See `Bandit`.

        Raises:
          MissingLibrary: Optuna is not installed; also where it is not needed yet, so that nothing
            is trained in vain.
        """
        optuna()
        block = experiment.spec.algorithm.tpe or Block()
        done = {member.name for member in ended(experiment, state)}

        def propose(index: int, made: Configurations) -> tuple[dict[str, Value], str]:
            if len(done) < block.startup_trials or index < len(experiment.spec.initial):
                return drawn(experiment, index, key)
            seed = key.seed(member_name(index), FIRST) % 2**32
            values = _asked(experiment, state, block, done, made, seed)
            return values, f"a tree-structured Parzen estimator of {len(done)} trials"

        return train_fully(experiment, state, ready, free, most(experiment), propose)

    def demand(self, experiment: PopulationExperiment, state: State) -> int:
        """See `Bandit`."""
        return left(experiment, state, most(experiment))

    def plan(self, experiment: PopulationExperiment) -> Plan:
        """See `Bandit`."""
        return Plan(experiment.spec.population.size, ())


def optuna() -> Any:
    """Optuna, quiet.

    Raises:
      MissingLibrary: it is not installed.
    """
    try:
        library: Any = importlib.import_module("optuna")
    except ImportError:
        raise MissingLibrary("tpe", "Optuna", "algorithms") from None
    library.logging.set_verbosity(library.logging.WARNING)
    return library


def _asked(
    experiment: PopulationExperiment,
    state: State,
    block: Block,
    done: set[str],
    made: Configurations,
    seed: int,
) -> dict[str, Value]:
    """The configuration that a study with all these trials proposes next."""
    library = optuna()
    space, goal = experiment.spec.parameters, experiment.spec.objective.goal
    states = library.trial.TrialState
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `constant_liar` is called experimental.
        sampler = library.samplers.TPESampler(
            seed=seed,
            n_startup_trials=block.startup_trials,
            n_ei_candidates=block.candidates,
            constant_liar=True,
        )
    study = library.create_study(direction="maximize", sampler=sampler)
    for member in state.population:
        value = merit(goal, final_score(member))
        finite = value > float("-inf")
        known = states.COMPLETE if finite else states.PRUNED
        status = known if member.name in done else states.RUNNING
        number = value if status is states.COMPLETE else None
        values = member.decision.hyperparameters
        study.add_trial(_trial(library, space, values, status, number))
    for values in made:
        study.add_trial(_trial(library, space, values, states.RUNNING, None))
    trial = study.ask()
    chosen: dict[str, Value] = {}
    for parameter in sorted(space, key=lambda p: p.when is not None):
        if is_active(parameter, space, chosen):
            chosen[parameter.name] = _suggested(library, trial, parameter)
    return {p.name: chosen[p.name] for p in space if p.name in chosen}


def _suggested(library: Any, trial: Any, parameter: Parameter) -> Value:
    domain, name = parameter.domain, parameter.name
    if isinstance(domain, CategoricalDomain):
        return category(domain, trial.suggest_categorical(name, domain.values))
    kind = distribution(library, parameter)
    suggest = trial.suggest_float if isinstance(domain, FloatDomain) else trial.suggest_int
    return clip(domain, suggest(name, kind.low, kind.high, step=kind.step, log=kind.log))


def _trial(
    library: Any, space: Space, values: Hyperparameters, status: Any, value: float | None
) -> Any:
    params: Mapping[str, Any] = {
        p.name: _told(p, values[p.name]) for p in space if p.name in values
    }
    distributions = {p.name: distribution(library, p) for p in space if p.name in values}
    return library.trial.create_trial(
        state=status, params=dict(params), distributions=distributions, value=value
    )


def _told(parameter: Parameter, value: Value) -> Value:
    """A value as Optuna knows it: a category by its text."""
    domain = parameter.domain
    if isinstance(domain, CategoricalDomain):
        return next(text for text in domain.values if category(domain, text) == value)
    return value


def distribution(library: Any, parameter: Parameter) -> Any:
    """Optuna's domain for a parameter."""
    domain, kinds = parameter.domain, library.distributions
    if isinstance(domain, CategoricalDomain):
        return kinds.CategoricalDistribution(domain.values)
    log, high = domain.scale is Scale.LOG, domain.max
    if domain.step:  # Optuna wants the last value on the grid, not the bound beyond it.
        high = clip(domain, high)
    if isinstance(domain, FloatDomain):
        return kinds.FloatDistribution(domain.min, high, log=log, step=domain.step)
    return kinds.IntDistribution(domain.min, high, log=log, step=domain.step or 1)
