"""What the API server does not take, with the field's path in the user's manifest.

Pure functions from the server's answer about an object that we built to problems of the template
that it was built from. What we fill in comes after what the user said, so that an index in the
object is the index in the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from population_operator.adapters.kubernetes.client import ApiError
from population_operator.api import Problem
from population_operator.api.problems import join

POD_TEMPLATE = "spec.worker.template"
CLAIM_TEMPLATE = "spec.storage.claimTemplate"

_UNKNOWN = re.compile(r'unknown field "([^"]+)"')
_REPEATED = re.compile(r'duplicate field "([^"]+)"')
_TYPE = re.compile(
    r"cannot unmarshal (\w+) into Go (?:struct field \w+\.([\w.]+)|value) of type (\S+)"
)
_STANDARD = re.compile(r'violates (PodSecurity "[^"]+"): (.*)', re.S)
_CHECK = re.compile(r"([^,(]+) \(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_CONTAINER = re.compile(r'containers? "([^"]+)"')
_SECURITY = re.compile(r"must (?:not )?set (securityContext(?:\.[a-zA-Z]+)*)")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_ADMISSION = (
    (re.compile(r"service ?account .*not found"), "spec.serviceAccountName"),
    (re.compile(r"PriorityClass"), "spec.priorityClassName"),
    (re.compile(r"RuntimeClass"), "spec.runtimeClassName"),
)


def invalid(error: ApiError) -> bool:
    """Whether the object is what is wrong, and not the server, nor our rights."""
    return error.status in (400, 422) or (error.status == 403 and _denied(error))


def experiment_problems(error: ApiError) -> tuple[Problem, ...]:
    """What is wrong with an experiment itself."""
    return tuple(_told(error)) or (Problem("", error.message),)


def template_problems(error: ApiError, template: Any, at: str) -> tuple[Problem, ...]:
    """What is wrong with the template at `at`, from which a Pod or a claim was made."""
    found = [*_told(error), *_pod_security(error.message, template), *_admission(error)]
    told = found or [Problem("", _plain(error))]
    return tuple(Problem(join(at, place(p.path, template)), p.message) for p in told)


def place(path: str, template: Any) -> str:
    """The path as far as it leads into what the user wrote; an index that is left out is found."""
    walked, here = "", template
    for name, index in _STEP.findall(path):
        if index:
            if not isinstance(here, list) or int(index) >= len(here):
                return walked  # One that we added.
            walked, here = f"{walked}[{index}]", here[int(index)]
            continue
        if isinstance(here, list):
            having = [i for i, item in enumerate(here) if isinstance(item, dict) and name in item]
            if len(having) != 1:
                return join(f"{walked}[*]", path[path.rfind(name) :])
            walked, here = f"{walked}[{having[0]}]", here[having[0]]
        walked = join(walked, name)
        here = here.get(name) if isinstance(here, dict) else None
    return walked


def _told(error: ApiError) -> Iterator[Problem]:
    """What the server says of single fields."""
    for field, message in error.causes:
        yield Problem(field, _sentence(message))
    if error.causes:
        return
    for field in _UNKNOWN.findall(error.message):
        yield Problem(field, "is not a field that the server knows: mind the spelling")
    for field in _REPEATED.findall(error.message):
        yield Problem(field, "stands there twice")
    for got, field, wanted in _TYPE.findall(error.message):
        yield Problem(field, f"must be of type {wanted.rpartition('.')[2]}, got a {got}")


def _pod_security(message: str, template: Any) -> Iterator[Problem]:
    """One problem for each container and rule of the namespace's Pod Security Standard."""
    broken = _STANDARD.search(message)
    if broken is None:
        return
    standard, checks = broken.groups()
    names = {
        container.get("name"): f"spec.{kind}[{index}]"
        for kind in ("initContainers", "containers")
        for index, container in enumerate(template.get("spec", {}).get(kind) or ())
    }
    for rule, detail in _CHECK.findall(checks):
        fields = _SECURITY.search(detail)
        told = f"{standard} of the namespace does not allow it: {rule.strip()}: {detail}"
        owners = [names[name] for name in _CONTAINER.findall(detail) if name in names]
        for owner in owners or ["spec"]:
            yield Problem(join(owner, fields[1] if fields else ""), told)


def _admission(error: ApiError) -> Iterator[Problem]:
    if error.status != 403:
        return
    for pattern, field in _ADMISSION:
        if pattern.search(error.message):
            yield Problem(field, _plain(error))


def _denied(error: ApiError) -> bool:
    """By admission: somebody else's Pod would have been refused as well."""
    return "violates PodSecurity" in error.message or any(
        pattern.search(error.message) for pattern, _ in _ADMISSION
    )


def _plain(error: ApiError) -> str:
    """The server's words without the name of the object that it was not to make."""
    text = re.sub(r'^\w+ "[^"]+" is forbidden: ', "", error.message)
    return re.sub(r"^(\w+) in version \"\w+\" cannot be handled as an? \1: ", "", text)


def _sentence(message: str) -> str:
    """`Invalid value: "x": must be y` as the other problems are said."""
    return f"{message[:1].lower()}{message[1:]}"
