"""What may change while an experiment runs: expressions for the API server, which compares.

They stand on `spec`, so that a field which is removed and added again cannot slip through.
"""

from __future__ import annotations

from population_operator.api.base import Cel

CHANGEABLE = (
    "objective.target",
    "objective.report",
    "population.size",
    "schedule.maxSteps",
    "schedule.maxDuration",
    "schedule.stragglerTimeout",
    "worker.maxRestarts",
    "storage.deletionPolicy",
    "suspend",
    "ttlSecondsAfterFinished",
)
"""What a user may change; of these `population.size` and `schedule.maxSteps` may only grow."""

FIXED = (
    "objective.metric",
    "objective.goal",
    "parameters",
    "algorithm",
    "initial",
    "population.parallelism",
    "population.seed",
    "population.baselines",
    "schedule.interval",
    "schedule.synchronous",
    "worker.template",
    "worker.local",
    "storage.claimName",
    "storage.claimTemplate",
)
"""What a run depends on."""


def _present(side: str, path: str) -> str:
    parts = path.split(".")
    steps = [".".join([side, *parts[: end + 1]]) for end in range(len(parts))]
    tests = " && ".join(f"has({step})" for step in steps)
    return f"({tests})" if len(steps) > 1 else tests


def _unchanged(path: str) -> Cel:
    now, before = _present("self", path), _present("oldSelf", path)
    rule = f"{now} == {before} && (!{now} || self.{path} == oldSelf.{path})"
    message = f"{path} is fixed while an experiment exists: create another one to change it"
    return Cel(rule, message, path)


_SAME_ORDER = Cel(
    "self.parameters.map(p, p.name) == oldSelf.parameters.map(p, p.name) && "
    "self.parameters.all(p, !has(p.categorical) || oldSelf.parameters.all(q, q.name != p.name || "
    "!has(q.categorical) || q.categorical.values.map(value, value) == "
    "p.categorical.values.map(value, value)))",
    "the order of parameters and of their values is fixed: draws depend on it",
    "parameters",
)
"""Lists that are maps or sets to the API server are equal to it in any order."""

TRANSITIONS = (
    *(_unchanged(path) for path in FIXED),
    _SAME_ORDER,
    Cel(
        "has(self.population.size) == has(oldSelf.population.size) && "
        "(!has(self.population.size) || self.population.size >= oldSelf.population.size)",
        "population.size may only grow",
        "population.size",
    ),
    Cel(
        "self.schedule.maxSteps >= oldSelf.schedule.maxSteps",
        "schedule.maxSteps may only grow",
        "schedule.maxSteps",
    ),
)
