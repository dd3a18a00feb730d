"""Commands and variables, as Kubernetes documents them."""

from __future__ import annotations

import pytest

from tests.apiserver.cluster.kubelet import environment
from tests.apiserver.pods import Object


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)/x", "1/x"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B) $A ${A}", "$(B) $A ${A}"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert environment.expanded(text, {"A": "1"}) == expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, ["entry", "image-args"]),
        ({"args": ["own"]}, ["entry", "own"]),
        ({"command": ["c"]}, ["c"]),
        ({"command": ["c"], "args": ["$(A)"]}, ["c", "1"]),
    ],
)
def test_command_and_args(container: Object, expected: list[str]) -> None:
    assert environment.command(container, ("entry",), ("image-args",), {"A": "1"}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/x", "/host/d/x"),
        ("--root=/data", "--root=/host/d"),
        ("/data/sub/y:/data", "/host/s/y:/host/d"),
        ("/database /my/data /data.txt", "/database /my/data /data.txt"),
    ],
)
def test_rewritten_paths(text: str, expected: str) -> None:
    paths = {"/data": "/host/d", "/data/sub": "/host/s"}
    assert environment.rewritten(text, paths) == expected


@pytest.mark.parametrize(
    ("quantity", "expected"), [("500m", "1"), ("2", "2"), ("1Gi", str(2**30)), ("1.5k", "1500")]
)
def test_resources_in_whole_units(quantity: str, expected: str) -> None:
    container = {"resources": {"limits": {"cpu": quantity}}}
    assert environment.resource(container, "limits.cpu") == expected
