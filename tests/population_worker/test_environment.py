"""The contract's variables."""

from __future__ import annotations

import json

import pytest

from population_worker.environment import InvalidEnvironment, read_environment
from tests.population_worker.support import directive


@pytest.fixture
def variables(tls, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    return {
        "POPULATION_EXPERIMENT": "digits",
        "POPULATION_WORKER": "w3",
        "POPULATION_INCARNATION": "2",
        "POPULATION_CHECKPOINTS": "/checkpoints/uid",
        "POPULATION_TOKEN_FILE": str(tmp_path / "token"),
        "POPULATION_TLS_CERT_FILE": str(tls[0]),
        "POPULATION_TLS_KEY_FILE": str(tls[1]),
    }


def test_defaults(variables):
    environment = read_environment(variables)
    assert environment.control is not None
    assert (environment.control.host, environment.control.port) == ("0.0.0.0", 8443)
    assert environment.metrics_port == 9090
    assert environment.control.token == "secret"
    assert (environment.experiment, environment.worker, environment.incarnation) == (
        "digits",
        "w3",
        2,
    )
    assert environment.directive is None


def test_the_first_directive(variables):
    variables["POPULATION_DIRECTIVE"] = json.dumps(directive(7))
    first = read_environment(variables).directive
    assert first is not None
    assert first.id == 7


def test_alone_nothing_listens():
    environment = read_environment({})
    assert environment.control is None
    assert environment.metrics_port is None
    assert read_environment({"POPULATION_METRICS_PORT": "0"}).metrics_port == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("POPULATION_DIRECTIVE", "{}", "POPULATION_DIRECTIVE: id: "),
        ("POPULATION_CONTROL_PORT", "https", "POPULATION_CONTROL_PORT: 'https'"),
        ("POPULATION_INCARNATION", "-1", "POPULATION_INCARNATION: "),
        ("POPULATION_TOKEN_FILE", "/nowhere", "POPULATION_TOKEN_FILE: /nowhere: "),
        ("POPULATION_TOKEN_FILE", "/dev/null", "POPULATION_TOKEN_FILE: /dev/null: is empty"),
        ("POPULATION_TLS_KEY_FILE", "/nowhere", "POPULATION_TLS_KEY_FILE: /nowhere: no such file"),
        ("POPULATION_CHECKPOINTS", "", "POPULATION_CHECKPOINTS: not set"),
        ("POPULATION_SAVE_RETRY_SECONDS", "nan", "POPULATION_SAVE_RETRY_SECONDS: "),
    ],
)
def test_what_is_wrong_is_named(variables, name, value, message):
    variables[name] = value
    with pytest.raises(InvalidEnvironment) as caught:
        read_environment(variables)
    assert str(caught.value).startswith(message)


def test_a_directive_without_an_operator_is_a_mistake():
    with pytest.raises(InvalidEnvironment, match="POPULATION_TOKEN_FILE"):
        read_environment({"POPULATION_DIRECTIVE": json.dumps(directive())})
