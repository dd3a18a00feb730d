"""What the operator tells a worker to do: frozen values and their strict parsing.

Fields that this version does not know are ignored: an operator may be newer than the image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from population_worker import wire
from population_worker.wire import InvalidMessage, Value

_MEMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


class Kind(StrEnum):
    """Where a directive's state comes from."""

    START = "start"
    RESUME = "resume"
    EXPLOIT = "exploit"
    PROMOTE = "promote"


@dataclass(frozen=True, order=True)
class CheckpointRef:
    """The name of a checkpoint: immutable, so equal names are equal bytes."""

    member: str
    directive: int
    step: int

    def __str__(self) -> str:
        return f"{self.member}/{self.directive}-{self.step}"

    def to_json(self) -> dict[str, object]:
        """Return the reference as the contract writes it."""
        return {"member": self.member, "directive": self.directive, "step": self.step}


@dataclass(frozen=True)
class Forget:
    """Delete a member's checkpoints under one directive, except those at the steps in `keep`."""

    member: str
    directive: int
    keep: tuple[int, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the item as the contract writes it."""
        return {"member": self.member, "directive": self.directive, "keep": list(self.keep)}


@dataclass(frozen=True)
class Directive:
    """Train `member` from `restore` to the first step >= `until`, report, and wait."""

    id: int
    incarnation: int
    member: str
    kind: Kind
    hyperparameters: Mapping[str, Value]
    until: int
    max_steps: int
    seed: int
    immutable: tuple[str, ...] = ()
    restore: CheckpointRef | None = None
    resumes: tuple[int, ...] = ()
    forget: tuple[Forget, ...] = field(default=(), compare=False)  # no part of the identity

    @property
    def lineage(self) -> tuple[int, ...]:
        """The ids under which work on this decision may have been committed."""
        return (self.id, *self.resumes)

    def rebuilds(self, held: Directive) -> bool:
        """Tell whether going on from `held` needs another model: an immutable value differs."""
        return any(
            self.hyperparameters.get(name) != held.hyperparameters.get(name)
            for name in self.immutable
        )


def parse_directive(message: object) -> Directive:
    """Read a decoded JSON body; raises `InvalidMessage` that starts with the field's path."""
    body = wire.fields(message, "body")
    directive = Directive(
        id=wire.integer(body.get("id"), "id"),
        incarnation=wire.integer(body.get("incarnation"), "incarnation"),
        member=parse_member(body.get("member"), "member"),
        kind=_kind(body.get("kind")),
        hyperparameters=parse_hyperparameters(body.get("hyperparameters"), "hyperparameters"),
        until=wire.integer(body.get("until"), "until", at_least=1),
        max_steps=wire.integer(body.get("max_steps"), "max_steps", at_least=1),
        seed=wire.integer(body.get("seed"), "seed", below=2**64),
        immutable=tuple(
            wire.text(name, f"immutable[{index}]")
            for index, name in enumerate(wire.items(body.get("immutable"), "immutable"))
        ),
        restore=_optional_checkpoint(body.get("restore"), "restore"),
        resumes=tuple(
            wire.integer(value, f"resumes[{index}]")
            for index, value in enumerate(wire.items(body.get("resumes"), "resumes"))
        ),
        forget=tuple(
            _forget(item, f"forget[{index}]")
            for index, item in enumerate(wire.items(body.get("forget"), "forget"))
        ),
    )
    _check(directive)
    return directive


def parse_checkpoint(value: object, path: str) -> CheckpointRef:
    """Read a checkpoint reference; raises `InvalidMessage`."""
    body = wire.fields(value, path)
    return CheckpointRef(
        member=parse_member(body.get("member"), f"{path}.member"),
        directive=wire.integer(body.get("directive"), f"{path}.directive"),
        step=wire.integer(body.get("step"), f"{path}.step"),
    )


def parse_member(value: object, path: str) -> str:
    """Read a member's name, which is also a folder's: nothing that could leave the root."""
    name = wire.text(value, path)
    if not _MEMBER.fullmatch(name):
        raise InvalidMessage(
            f"{path}: {name[:40]!r} is no member's name: letters, digits, '.', '_' and '-', "
            "starting with a letter or digit"
        )
    return name


def parse_hyperparameters(value: object, path: str) -> dict[str, Value]:
    """Read a mapping of names to booleans, numbers and strings."""
    return {
        name: wire.scalar(item, f"{path}.{name}") for name, item in wire.fields(value, path).items()
    }


def _check(directive: Directive) -> None:
    """Refuse what each field allows and the whole does not."""
    restore = directive.restore
    if (restore is None) != (directive.kind is Kind.START):
        wanted = "no checkpoint" if directive.kind is Kind.START else "a checkpoint"
        raise InvalidMessage(f"restore: {directive.kind} needs {wanted}")
    if restore is not None and restore.step >= directive.until:
        raise InvalidMessage(f"until: {directive.until} is not beyond restore.step {restore.step}")


def _kind(value: object) -> Kind:
    name = wire.text(value, "kind")
    if name not in set(Kind):
        raise InvalidMessage(f"kind: {name[:40]!r} is none of {', '.join(Kind)}")
    return Kind(name)


def _optional_checkpoint(value: object, path: str) -> CheckpointRef | None:
    return None if value is None else parse_checkpoint(value, path)


def _forget(value: object, path: str) -> Forget:
    body = wire.fields(value, path)
    return Forget(
        member=parse_member(body.get("member"), f"{path}.member"),
        directive=wire.integer(body.get("directive"), f"{path}.directive"),
        keep=tuple(
            wire.integer(step, f"{path}.keep[{index}]")
            for index, step in enumerate(wire.items(body.get("keep"), f"{path}.keep"))
        ),
    )
