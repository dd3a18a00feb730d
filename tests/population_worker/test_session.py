"""A session with no operator, and its beginning and end."""

from __future__ import annotations

import json
import random

import pytest

from population_worker import InvalidEnvironment, Session
from population_worker.directive import parse_directive
from tests.population_worker.support import directive, environment
from tests.population_worker.walk import Program


@pytest.fixture(autouse=True)
def no_operator(monkeypatch, tmp_path):
    import os

    for name in [name for name in os.environ if name.startswith("POPULATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def train_alone(program: Program, **settings) -> None:
    with Session(hyperparameters={"lr": 0.1}, interval=10, **settings) as session:
        assert session.is_alone
        assert session.ports == {}
        program(session)


def test_alone_it_trains_to_the_end(tmp_path):
    program = Program()
    train_alone(program, max_steps=25)
    assert program.intervals == [(0, 10), (10, 20), (20, 25)]
    ((name, walk),) = program.walks
    assert name == "m0"
    assert "load resume" not in walk.calls
    newest = tmp_path / "runs/alone/m0/3-25/manifest.json"
    assert json.loads(newest.read_text())["report"]["score"] == walk.place


def test_alone_it_continues_from_its_newest_checkpoint():
    whole, first, second = Program(), Program(), Program()
    train_alone(whole, max_steps=40, checkpoints="whole")
    train_alone(first, max_steps=20, checkpoints="parts")
    train_alone(second, max_steps=40, checkpoints="parts")
    assert second.intervals == [(20, 30), (30, 40)]
    assert second.walks[0][1].place == whole.walks[0][1].place  # bit by bit


def test_alone_a_checkpoint_stays_where_it_was_to_be(tmp_path, monkeypatch):
    """Though the program, or its framework, goes to another folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Session(hyperparameters={"lr": 0.1}, interval=10, max_steps=10) as session:
        monkeypatch.chdir(elsewhere)
        Program()(session)
    assert (tmp_path / "runs/alone/m0/1-10/manifest.json").exists()


@pytest.mark.parametrize("value", [None, [1, 2], {"a": 1}])
def test_alone_a_hyperparameter_that_no_manifest_can_hold_is_refused(value):
    with pytest.raises(TypeError, match="hyperparameters: layers: expected a boolean, number or"):
        Session(hyperparameters={"layers": value})


def test_alone_there_is_nothing_left_to_do():
    train_alone(Program(), max_steps=20)
    again = Program()
    train_alone(again, max_steps=20)
    assert again.walks == []


def test_alone_a_corrupt_checkpoint_is_one_clear_line(tmp_path):
    train_alone(Program(), max_steps=20)
    file = tmp_path / "runs/alone/m0/2-20/walk.json"
    file.write_text(file.read_text().replace("place", "plaze"))
    with pytest.raises(SystemExit, match=r"m0/2-20: walk.json: digest .* delete this folder"):
        train_alone(Program(), max_steps=40)


def test_alone_leaving_the_loop_ends_it():
    members = []
    with Session(interval=10, max_steps=20) as session:
        for member in session.members():
            members.append(member)
            for _ in member.intervals():
                break
    assert len(members) == 1


@pytest.mark.parametrize("name", ["interval", "max_steps"])
def test_bad_settings_are_named(name):
    with pytest.raises(ValueError, match=f"{name}: 0 is less than 1"):
        Session(**{name: 0})


def test_each_member_is_seeded(start):
    drawn = []

    def program(session):
        for member in session.members():
            drawn.append(random.random())
            for interval in member.intervals():
                interval.report(interval.until, 0)

    worker = start(program)
    for number, (member, seed) in enumerate([("m0", 1), ("m1", 2), ("m2", 1)], 1):
        worker.operator.send(directive(number, member=member, seed=seed))
        worker.operator.reports(number)
    worker.stop()
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_first_directive_of_another_incarnation_is_a_mistake(root, tls):
    first = parse_directive(directive(incarnation=3))
    with (
        pytest.raises(InvalidEnvironment, match="POPULATION_DIRECTIVE: incarnation"),
        Session(environment=environment(root, tls, directive=first)),
    ):
        pass


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open(root, tls):
    with Session(environment=environment(root, tls)) as session:
        taken = environment(root, tls, metrics_port=session.ports["metrics"])
        with pytest.raises(OSError, match="in use"), Session(environment=taken):
            pass
