"""The CustomResourceDefinitions, built from the models. Pure: `app/crds.py` writes the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from population_operator.api.base import ApiModel, Cel
from population_operator.api.experiment import (
    GROUP,
    KIND,
    VERSION,
    ExperimentSpec,
    PopulationExperiment,
)
from population_operator.api.journal import JournalSpec
from population_operator.api.member import MemberSpec, MemberStatus
from population_operator.api.status import ExperimentStatus
from population_operator.api.structural import structural

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`; `wide` ones are shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""

    def entry(self) -> Manifest:
        """As the CRD wants it."""
        found: Manifest = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            found["description"] = self.description
        return {**found, "priority": 1} if self.wide else found


@dataclass(frozen=True)
class Kind:
    """One kind of the API group."""

    name: str
    short: str
    description: str
    spec: type[ApiModel]
    status: type[ApiModel] | None
    columns: tuple[Column, ...]
    cel: tuple[Cel, ...] = ()
    categories: tuple[str, ...] = ("all",)

    @property
    def plural(self) -> str:
        """The resource's name in URLs and in rules of RBAC."""
        return self.name.lower() + "s"

    @property
    def file(self) -> str:
        """The file in `crds/`."""
        return f"{GROUP}_{self.plural}.yaml"


AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS = (
    Kind(
        name=KIND,
        short="pexp",
        description="A population that trains, is compared, copied and changed while it trains.",
        spec=ExperimentSpec,
        status=ExperimentStatus,
        columns=(
            Column("Phase", ".status.phase"),
            Column("Algorithm", ".status.algorithm"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].reason'),
            Column("Members", ".status.counts.members", "integer"),
            Column("Step", ".status.shown.step"),
            Column("Best", ".status.shown.best"),
            Column("Member", ".status.best.member", wide=True),
            Column("Metric", ".spec.objective.metric", wide=True),
            Column("Running", ".status.counts.running", "integer", wide=True),
            Column("Decisions", ".status.counts.decisions", "integer", wide=True),
            Column("Exploits", ".status.counts.exploits", "integer", wide=True),
            AGE,
        ),
        cel=PopulationExperiment.cel,
    ),
    Kind(
        name="PopulationMember",
        short="pmem",
        description="One member of a population: a view of the experiment's journal.",
        spec=MemberSpec,
        status=MemberStatus,
        columns=(
            Column("Experiment", ".spec.experiment"),
            Column("Phase", ".status.phase"),
            Column("Step", ".status.step", "integer"),
            Column("Score", ".status.shown.score"),
            Column("Parent", ".status.parent"),
            Column("Bracket", ".status.bracket", "integer"),
            Column("Rung", ".status.rung", "integer"),
            Column("Worker", ".status.worker", wide=True),
            Column("Hyperparameters", ".status.shown.hyperparameters", wide=True),
            AGE,
        ),
    ),
    Kind(
        name="PopulationJournal",
        short="pjour",
        description="A segment of an experiment's journal: the truth that all else is a view of.",
        spec=JournalSpec,
        status=None,
        categories=(),
        columns=(
            Column("Experiment", ".spec.experiment"),
            Column("Segment", ".spec.segment", "integer"),
            Column("First", ".spec.first", "integer"),
            AGE,
        ),
    ),
)


def crd(kind: Kind) -> Manifest:
    """The CustomResourceDefinition of `kind`."""
    version: Manifest = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": openapi(kind)},
        "additionalPrinterColumns": [column.entry() for column in kind.columns],
    }
    if kind.status is not None:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": list(kind.categories),
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def openapi(kind: Kind) -> Manifest:
    """The structural schema of the whole object."""
    properties: Manifest = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
        "spec": structural(kind.spec),
    }
    if kind.status is not None:
        properties["status"] = structural(kind.status)
    schema: Manifest = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": properties,
    }
    if kind.cel:
        schema["x-kubernetes-validations"] = [one.entry() for one in kind.cel]
    return schema
