"""Where the operator finds the API server."""

from __future__ import annotations

import kopf
import pytest

from population_operator.app.operator.handlers import by_address

NAMED = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t")


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.0.0.1", "https://10.0.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443")],
)
def test_inside_a_cluster_no_dns_is_needed(host: str, server: str) -> None:
    env = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "6443"}
    found = by_address(NAMED, env)
    assert found is not None
    assert (found.server, found.token) == (server, "t")


def test_outside_a_cluster_there_is_nothing_to_change() -> None:
    assert by_address(None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) is None
    assert by_address(NAMED, {}) == NAMED
