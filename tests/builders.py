"""Fluent builders of experiments, members and states: a test says only what it is about.

    experiment = an_experiment().minimize().size(4).truncation(0.25).build()
    state = a_state(experiment, a_member(0).reported(100, 0.9), a_member(1).reported(100, 0.4))

Builders are frozen: each method gives a new one, so a half-built one can be shared. Experiments
are manifests as a user would write them, read by `PopulationExperiment.model_validate`, so what
the API refuses cannot be built here either.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from population_operator.api import PopulationExperiment, Value
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import Phase
from population_operator.model.report import CheckpointRef, Report
from population_operator.model.state import Member, State, Worker, member_name

Manifest = dict[str, Any]


# --- parameters, as they stand in a manifest -----------------------------------------------------


def a_float(name: str, low: float, high: float, *, log: bool = False, **more: Any) -> Manifest:
    """A float parameter; `step`, `mutable` and `when` go in `more`."""
    return _numeric(name, "float", low, high, log, more)


def an_integer(name: str, low: int, high: int, *, log: bool = False, **more: Any) -> Manifest:
    """An integer parameter; `step`, `mutable` and `when` go in `more`."""
    return _numeric(name, "integer", low, high, log, more)


def a_choice(name: str, *values: str, **more: Any) -> Manifest:
    """A categorical parameter; `type`, `ordered`, `mutable` and `when` go in `more`."""
    domain = {"values": list(values)} | {k: more.pop(k) for k in ("type", "ordered") if k in more}
    return {"name": name, "categorical": domain} | more


def when(parameter: str, *values: str) -> Manifest:
    """The condition under which a parameter exists: `a_float(..., when=when("opt", "sgd"))`."""
    return {"parameter": parameter, "in": list(values)}


def _numeric(name: str, kind: str, low: float, high: float, log: bool, more: Manifest) -> Manifest:
    domain: Manifest = {"min": low, "max": high, "scale": "log" if log else "linear"}
    if "step" in more:
        domain["step"] = more.pop("step")
    return {"name": name, kind: domain} | more


# --- experiments ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExperimentBuilder:
    """A manifest on its way to an experiment."""

    manifest: Manifest

    def set(self, path: str, value: Any) -> ExperimentBuilder:
        """The manifest with `value` at a dotted path: `set("spec.schedule.interval", 10)`."""
        manifest = copy.deepcopy(self.manifest)
        *parents, last = path.split(".")
        node = manifest
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
        return ExperimentBuilder(manifest)

    def named(self, name: str, *, uid: str = "uid-1") -> ExperimentBuilder:
        return self.set("metadata.name", name).set("metadata.uid", uid)

    def maximize(self) -> ExperimentBuilder:
        return self.set("spec.objective.goal", "maximize")

    def minimize(self) -> ExperimentBuilder:
        return self.set("spec.objective.goal", "minimize")

    def target(self, score: float) -> ExperimentBuilder:
        return self.set("spec.objective.target", score)

    def parameters(self, *parameters: Manifest) -> ExperimentBuilder:
        """The search space, in place of the default `lr`."""
        return self.set("spec.parameters", list(parameters))

    def initial(self, *configurations: Mapping[str, Value]) -> ExperimentBuilder:
        return self.set("spec.initial", [dict(c) for c in configurations])

    def size(self, size: int, *, parallelism: int | None = None) -> ExperimentBuilder:
        built = self.set("spec.population.size", size)
        return built.set("spec.population.parallelism", parallelism) if parallelism else built

    def baselines(self, count: int) -> ExperimentBuilder:
        return self.set("spec.population.baselines", count)

    def seed(self, seed: int) -> ExperimentBuilder:
        return self.set("spec.population.seed", seed)

    def unseeded(self) -> ExperimentBuilder:
        return self.set("spec.population.seed", None)

    def steps(self, interval: int, max_steps: int) -> ExperimentBuilder:
        return self.set("spec.schedule.interval", interval).set("spec.schedule.maxSteps", max_steps)

    def synchronous(self) -> ExperimentBuilder:
        return self.set("spec.schedule.synchronous", True)

    def asynchronous(self) -> ExperimentBuilder:
        return self.set("spec.schedule.synchronous", False)

    def straggler_timeout(self, seconds: float) -> ExperimentBuilder:
        return self.set("spec.schedule.stragglerTimeout", timedelta(seconds=seconds))

    def max_duration(self, seconds: float) -> ExperimentBuilder:
        return self.set("spec.schedule.maxDuration", timedelta(seconds=seconds))

    def max_restarts(self, count: int) -> ExperimentBuilder:
        return self.set("spec.worker.maxRestarts", count)

    def suspended(self, suspend: bool = True) -> ExperimentBuilder:
        return self.set("spec.suspend", suspend)

    def random_search(self) -> ExperimentBuilder:
        return self.set("spec.algorithm", {"random": {}})

    def pbt(self, **blocks: Any) -> ExperimentBuilder:
        """The pbt block from scratch: `pbt(exploit={...}, explore={...})`."""
        return self.set("spec.algorithm", {"pbt": blocks})

    def truncation(self, fraction: float = 0.2) -> ExperimentBuilder:
        return self.set("spec.algorithm.pbt.exploit", {"truncation": {"fraction": fraction}})

    def tournament(self) -> ExperimentBuilder:
        return self.set("spec.algorithm.pbt.exploit", {"binaryTournament": {}})

    def t_test(self, samples: int = 10, p_value: float = 0.05) -> ExperimentBuilder:
        block = {"tTest": {"samples": samples, "pValue": p_value}}
        return self.set("spec.algorithm.pbt.exploit", block)

    def factors(self, *factors: float) -> ExperimentBuilder:
        return self.set("spec.algorithm.pbt.explore.perturb.factors", list(factors))

    def resample(self, probability: float) -> ExperimentBuilder:
        return self.set("spec.algorithm.pbt.explore.resample.probability", probability)

    def build(self) -> PopulationExperiment:
        return PopulationExperiment.model_validate(copy.deepcopy(self.manifest))


def an_experiment() -> ExperimentBuilder:
    """Eight members, one learning rate, asynchronous PBT as the paper has it, seed 7."""
    return ExperimentBuilder(
        {
            "apiVersion": "population-operator.io/v1alpha1",
            "kind": "PopulationExperiment",
            "metadata": {"name": "test", "uid": "uid-1"},
            "spec": {
                "objective": {"metric": "score", "goal": "maximize"},
                "parameters": [a_float("lr", 1e-4, 1.0, log=True)],
                "algorithm": {"pbt": {}},
                "population": {"size": 8, "seed": 7},
                "schedule": {"interval": 100, "maxSteps": 2000},
                "worker": {"local": {"command": ["true"]}},
            },
        }
    )


# --- members and states --------------------------------------------------------------------------


def a_report(
    member: str | int, step: int, score: float, *, directive: int = 1, **fields: Any
) -> Report:
    """A report; other fields of `Report` (samples, checkpoint, metrics) go in `fields`."""
    name = member_name(member) if isinstance(member, int) else member
    return Report(directive=directive, member=name, step=step, score=score, **fields)


@dataclass(frozen=True)
class MemberBuilder:
    """A member that keeps its own books as the fold does: `latest`, `good`, `kept`, `lineage`."""

    index: int
    hyperparameters: Mapping[str, Value] = field(default_factory=lambda: {"lr": 0.1})
    decision: Decision | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return member_name(self.index)

    def having(self, **hyperparameters: Value) -> MemberBuilder:
        """Trains under exactly these hyperparameters."""
        return replace(self, hyperparameters=hyperparameters)

    def with_(self, **fields: Any) -> MemberBuilder:
        """Any field of `Member`, as it is: `with_(worker="w0", failures=2)`."""
        return replace(self, fields={**self.fields, **fields})

    def as_baseline(self) -> MemberBuilder:
        return self.with_(baseline=True)

    def decided(
        self,
        kind: DecisionKind = DecisionKind.CONTINUE,
        *,
        count: int,
        source: CheckpointRef | None = None,
        at_step: int = 0,
    ) -> MemberBuilder:
        """Its last decision; without this it is the START, number 1."""
        decision = Decision(
            member=self.name,
            count=count,
            kind=kind,
            hyperparameters={},
            source=source,
            at_step=at_step,
        )
        return replace(self, decision=decision)

    def reported(
        self, step: int, score: float, *, directive: int = 1, **fields: Any
    ) -> MemberBuilder:
        """One more report of the current weights, as the fold would take it in."""
        report = a_report(self.index, step, score, directive=directive, **fields)
        good = report if report.finite else self.fields.get("good")
        kept = report if report.finite and report.checkpoint else self.fields.get("kept")
        return self.with_(
            step=step,
            reported=True,
            latest=report,
            good=good,
            kept=kept,
            directives=tuple(sorted({*self.fields.get("directives", ()), directive})),
            lineage=(*self.fields.get("lineage", ()), report),
        )

    def straggled(self) -> MemberBuilder:
        """It missed its interval, and the round goes on without a report of it."""
        missed = a_report(
            self.index, self.fields.get("step", 0), math.nan, directive=0, checkpoint=False
        )
        return self.with_(reported=True, latest=missed)

    def exploited(self, donor: Member, *, count: int = 2) -> MemberBuilder:
        """It has just copied the donor's good report, and has not reported since."""
        if donor.good is None:
            raise ValueError(f"{donor.name} has nothing to copy")
        builder = self.decided(DecisionKind.EXPLOIT, count=count, source=donor.good.ref)
        return builder.with_(
            step=donor.good.step, reported=False, latest=None, good=None, lineage=donor.lineage
        )

    def build(self) -> Member:
        decision = self.decision or Decision(
            member=self.name, count=1, kind=DecisionKind.START, hyperparameters={}
        )
        decision = decision.model_copy(update={"hyperparameters": dict(self.hyperparameters)})
        fields: dict[str, Any] = {"baseline": False, **self.fields}
        return Member(name=self.name, index=self.index, decision=decision, **fields)


def a_member(index: int) -> MemberBuilder:
    """Member `m<index>` that has started with lr 0.1 and has not reported yet."""
    return MemberBuilder(index)


def a_state(
    experiment: PopulationExperiment | ExperimentBuilder,
    *members: Member | MemberBuilder,
    workers: tuple[Worker, ...] = (),
    **fields: Any,
) -> State:
    """A running experiment with these members; other fields of `State` go in `fields`."""
    if isinstance(experiment, ExperimentBuilder):
        experiment = experiment.build()
    built = [m.build() if isinstance(m, MemberBuilder) else m for m in members]
    values: dict[str, Any] = {"seq": 1, "phase": Phase.RUNNING, **fields}
    return State(
        experiment=experiment,
        members={m.name: m for m in built},
        workers={w.name: w for w in workers},
        **values,
    )
