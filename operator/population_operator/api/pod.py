"""What is declared of a Pod template and of a claim template.

The API server keeps what is not declared here as it stands and checks nothing of it; the fields
that people mistype are declared. The template itself stays the plain mapping that the user wrote:
these models only look at it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from population_operator.api.base import ApiModel, rule
from population_operator.api.explain import explain
from population_operator.api.problems import Problem, broken, join
from population_operator.api.scalars import TEXT, WHOLE, Flag, Label, Line, Quantity, Text

MAP_BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


class Open(ApiModel):
    """A mapping of which only some fields are declared; the others pass through."""

    model_config = ConfigDict(extra="allow")


class ResourceRequirements(Open):
    """What a container asks for; `nvidia.com/gpu` and the like stand in `limits`."""

    limits: dict[str, Quantity] | None = None
    """At most this; devices such as `nvidia.com/gpu` stand here."""
    requests: dict[str, Quantity] | None = None
    """At least this."""


class EnvVar(Open):
    """An environment variable: `value`, or `valueFrom`."""

    name: Annotated[str, Field(min_length=1, max_length=253, examples=["SEED"]), TEXT]
    """Its name."""
    value: Text | None = None
    """Its value, a string."""


class VolumeMount(Open):
    """Where one of the Pod's volumes is mounted."""

    name: Annotated[Label, Field(examples=["data"])]
    """The volume."""
    mount_path: Annotated[Line, Field(examples=["/data"])]
    """Where it appears."""
    read_only: Flag | None = None
    """Whether it cannot be written."""
    sub_path: Text | None = None
    """The part of the volume that is mounted."""


class ContainerPort(Open):
    """A port that a container listens on."""

    container_port: Annotated[int, Field(ge=1, le=65535, examples=["8080"]), WHOLE]
    """The number."""
    name: Label | None = None
    """Its name."""


class Container(Open):
    """One container of the Pod."""

    name: Annotated[Label, Field(examples=["worker"])]
    """Its name within the Pod."""
    image: Annotated[str, Field(min_length=1, max_length=1024), TEXT] | None = None
    """What it runs."""
    command: tuple[Text, ...] | None = None
    """The program; that of the image without it."""
    args: tuple[Text, ...] | None = None
    """Its arguments."""
    working_dir: Text | None = None
    """Where it starts."""
    env: tuple[EnvVar, ...] | None = None
    """Its environment."""
    resources: ResourceRequirements | None = None
    """What it asks for."""
    volume_mounts: tuple[VolumeMount, ...] | None = None
    """What of the volumes it sees."""
    ports: tuple[ContainerPort, ...] | None = None
    """What it listens on."""


class Volume(Open):
    """A volume of the Pod; what it is made of passes through."""

    name: Annotated[Label, Field(examples=["data"])]
    """Its name within the Pod."""


NamedContainers = Annotated[tuple[Container, ...], Field(json_schema_extra=MAP_BY_NAME)]


class PodSpec(Open):
    """The Pod of a worker. The first container, or the one named `worker`, trains."""

    containers: Annotated[
        tuple[Container, ...],
        Field(min_length=1, max_length=32, examples=["[{name: worker, image: ...}]"]),
        Field(json_schema_extra=MAP_BY_NAME),
    ]
    """What runs."""
    init_containers: NamedContainers | None = None
    """What runs before."""
    volumes: tuple[Volume, ...] | None = None
    """What can be mounted."""
    service_account_name: Text | None = None
    """As whom it runs."""
    scheduler_name: Text | None = None
    """Who places it."""
    priority_class_name: Text | None = None
    """How important it is."""
    runtime_class_name: Text | None = None
    """How it is run."""
    node_selector: dict[str, Text] | None = None
    """Where it may run."""

    @rule()
    def _names(self) -> Iterator[Problem]:
        for field in ("containers", "init_containers"):
            names = [container.name for container in getattr(self, field) or ()]
            spelling = "containers" if field == "containers" else "initContainers"
            for index, name in enumerate(names):
                if name in names[:index]:
                    message = f"repeats `{name}`: rename one of them"
                    yield Problem(f"{spelling}[{index}].name", message)


class TemplateMetadata(Open):
    """What the Pods or the claim carry: queue names of Kueue, annotations of a service mesh."""

    labels: dict[str, Text] | None = None
    """Labels to add."""
    annotations: dict[str, Text] | None = None
    """Annotations to add."""


class PodTemplate(Open):
    """A Pod template, as in a Deployment."""

    metadata: TemplateMetadata | None = None
    """Labels and annotations of the Pods."""
    spec: Annotated[PodSpec, Field(examples=["{containers: [...]}"])]
    """The Pod."""


class ClaimSpec(Open):
    """The spec of a PersistentVolumeClaim."""

    access_modes: tuple[Text, ...] | None = None
    """How it may be mounted; workers share it, so ReadWriteMany on several nodes."""
    storage_class_name: Text | None = None
    """Of which kind it is."""
    resources: Annotated[ResourceRequirements, Field(examples=["{requests: {storage: 10Gi}}"])]
    """How large it is."""


class ClaimTemplate(Open):
    """A template for a PersistentVolumeClaim, as in a StatefulSet."""

    metadata: TemplateMetadata | None = None
    """Labels and annotations of the claim."""
    spec: Annotated[ClaimSpec, Field(examples=["{resources: {requests: {storage: 10Gi}}}"])]
    """The claim."""


def _not_json(value: Any, path: str = "") -> Iterator[Problem]:
    """What stands in the undeclared parts and has no place in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"must be a finite number, got {value}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_json(item, join(path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _not_json(item, f"{path}[{index}]")


@dataclass(frozen=True)
class Like:
    """Annotates a plain mapping that is checked against `model` and left as it is."""

    model: type[Open]

    def check(self, value: Any) -> Any:
        """`value` itself, or an error with all that `model` finds wrong with it."""
        try:
            self.model.model_validate(value, by_alias=True, by_name=False)
        except ValidationError as error:
            raise broken(tuple(explain(error, self.model))) from None
        if problems := tuple(_not_json(value)):
            raise broken(problems)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(self.model.__pydantic_core_schema__)
