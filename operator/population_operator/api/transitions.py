"""What may change while an experiment runs: expressions for the API server, which compares.

They stand on the whole object, so that a field which is removed and added again cannot slip
through, and so that they see whether the run has begun: a spec that the operator refused binds
nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from population_operator.api.algorithm import ALGORITHMS
from population_operator.api.base import Cel
from population_operator.api.trials import BRACKETS, TRIALS

CHANGEABLE = (
    "objective.target",
    "objective.report",
    "population.size",
    "schedule.maxSteps",
    "schedule.maxDuration",
    "schedule.stragglerTimeout",
    "worker.maxRestarts",
    "worker.template",
    "storage.deletionPolicy",
    "suspend",
    "ttlSecondsAfterFinished",
)
"""What a user may change; of these `population.size` and `schedule.maxSteps` may only grow, and not
with every algorithm (`FIXED_WITH`), and `storage.deletionPolicy` not with a `claimTemplate`.

The Pod template, since decisions do not depend on it, and a limit that was too low, or an image
that cannot be pulled, must be mendable: Pods that start from then on are made from it.
"""

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
    "worker.local",
    "storage.claimName",
    "storage.claimTemplate",
)
"""What a run depends on."""

FIXED_WITH: Mapping[str, tuple[str, ...]] = {
    "population.size": (*BRACKETS, "successive_halving"),
    "schedule.maxSteps": TRIALS,
}
"""Of what may grow else, what is fixed with these algorithms (the fields of `Algorithm`).

Rungs and brackets are computed from it, and trials that have ended keep no checkpoint from which
they could go on.
"""

REFUSED = "Refused"
"""The phase of an experiment that has not begun, because the operator cannot use its spec."""

_NOT_BEGUN = (
    f"has(oldSelf.status) && has(oldSelf.status.phase) && oldSelf.status.phase == '{REFUSED}'"
)


def _once_begun(rule: str, message: str, path: str) -> Cel:
    return Cel(f"({_NOT_BEGUN}) || ({rule})", message, f"spec.{path}")


def _grows(path: str, *, optional: bool = False) -> Iterator[Cel]:
    """It may only grow, and may not change at all with the algorithms that compute from it."""
    now, before = f"self.spec.{path}", f"oldSelf.spec.{path}"

    def compared(operator: str) -> str:
        rule = f"{now} {operator} {before}"
        return f"has({now}) == has({before}) && (!has({now}) || {rule})" if optional else rule

    blocks = [ALGORITHMS[name] for name in FIXED_WITH[path]]
    concerned = " || ".join(f"has(self.spec.algorithm.{block})" for block in blocks)
    yield _once_begun(f"{concerned} || ({compared('>=')})", f"{path} may only grow", path)
    said = f"{path} is fixed with {', '.join(blocks)}: create another experiment to change it"
    yield _once_begun(f"!({concerned}) || ({compared('==')})", said, path)


def _present(side: str, path: str) -> str:
    parts = path.split(".")
    steps = [".".join([side, *parts[: end + 1]]) for end in range(len(parts))]
    tests = " && ".join(f"has({step})" for step in steps)
    return f"({tests})" if len(steps) > 1 else tests


def _same(path: str) -> str:
    now, before = _present("self.spec", path), _present("oldSelf.spec", path)
    return f"{now} == {before} && (!{now} || self.spec.{path} == oldSelf.spec.{path})"


def _unchanged(path: str) -> Cel:
    message = f"{path} is fixed while an experiment exists: create another one to change it"
    return _once_begun(_same(path), message, path)


_SAME_ORDER = _once_begun(
    "self.spec.parameters.map(p, p.name) == oldSelf.spec.parameters.map(p, p.name) && "
    "self.spec.parameters.all(p, !has(p.categorical) || oldSelf.spec.parameters.all(q, "
    "q.name != p.name || !has(q.categorical) || q.categorical.values.map(value, value) == "
    "p.categorical.values.map(value, value)))",
    "the order of parameters and of their values is fixed: draws depend on it",
    "parameters",
)
"""Lists that are maps or sets to the API server are equal to it in any order."""

_SAME_OWNER = _once_begun(
    f"!{_present('self.spec', 'storage.claimTemplate')} || ({_same('storage.deletionPolicy')})",
    "storage.deletionPolicy is fixed with claimTemplate: to keep a claim after all, remove its "
    "metadata.ownerReferences",
    "storage.deletionPolicy",
)
"""The claim gets its owner, with which it goes, when it is made."""

TRANSITIONS = (
    *(_unchanged(path) for path in FIXED),
    _SAME_ORDER,
    _SAME_OWNER,
    *_grows("population.size", optional=True),
    *_grows("schedule.maxSteps"),
)
