"""Directives are read strictly, and what is wrong is named by its path."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from population_worker.directive import CheckpointRef, Forget, Kind, parse_directive
from population_worker.wire import InvalidMessage
from tests.population_worker.support import directive, ref


def test_the_contracts_example():
    parsed = parse_directive(
        json.loads("""
        {"id": 17, "incarnation": 2, "member": "m3", "kind": "exploit",
         "hyperparameters": {"lr": 0.012, "batch_size": 64}, "immutable": ["width"],
         "restore": {"member": "m1", "directive": 9, "step": 400}, "resumes": [],
         "until": 500, "max_steps": 2000, "seed": 1234567890123,
         "forget": [{"member": "m3", "directive": 8, "keep": [400]}]}
        """)
    )
    assert parsed.id == 17
    assert parsed.kind is Kind.EXPLOIT
    assert parsed.hyperparameters == {"lr": 0.012, "batch_size": 64}
    assert parsed.restore == CheckpointRef("m1", 9, 400)
    assert parsed.forget == (Forget("m3", 8, (400,)),)
    assert parsed.lineage == (17,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "id: expected an integer, got nothing"),
        ({"id": True}, "id: expected an integer"),
        ({"id": -1}, "id: -1 is outside"),
        ({"incarnation": "1"}, "incarnation: expected an integer, got '1'"),
        ({"member": ""}, "member: expected a string"),
        ({"member": ".."}, "member: '..' is no member's name"),
        ({"member": "a/b"}, "member: 'a/b' is no"),
        ({"member": "m0\n"}, "member: "),
        ({"member": "m" * 300}, "member: "),
        ({"kind": "pause"}, "kind: 'pause' is none of start, resume, exploit, promote"),
        ({"hyperparameters": []}, "hyperparameters: expected an object, got an array"),
        ({"hyperparameters": {"lr": [1]}}, "hyperparameters.lr: expected a boolean, number"),
        ({"hyperparameters": {"lr": float("inf")}}, "hyperparameters.lr: inf is not finite"),
        ({"until": 0}, "until: 0 is outside"),
        ({"seed": 2**64}, "seed: "),
        ({"immutable": [1]}, "immutable[0]: "),
        ({"resumes": [1, "x"]}, "resumes[1]: "),
        ({"restore": ref("m0", 1, 5)}, "restore: start needs no checkpoint"),
        ({"kind": "resume"}, "restore: resume needs a checkpoint"),
        ({"kind": "resume", "restore": ref("m0", 1, 10)}, "until: 10 is not beyond restore.step"),
        ({"kind": "resume", "restore": ref("../m", 1, 5)}, "restore.member: "),
        ({"kind": "resume", "restore": ref("m0", 1, -5)}, "restore.step: "),
        ({"forget": {}}, "forget: expected an array"),
        ({"forget": [{"member": "..", "directive": 1}]}, "forget[0].member: "),
        ({"forget": [{"member": "m0", "directive": 1, "keep": ["x"]}]}, "forget[0].keep[0]: "),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(InvalidMessage) as caught:
        parse_directive(directive(**changes))
    assert str(caught.value).startswith(message)


def test_optional_fields_and_fields_of_a_newer_operator():
    message = directive(colour="red")
    for name in ("immutable", "restore", "resumes", "forget"):
        del message[name]
    assert parse_directive(message) == parse_directive(directive())


def test_forget_is_no_part_of_the_identity():
    forget = [{"member": "m0", "directive": 1, "keep": []}]
    assert parse_directive(directive(forget=forget)) == parse_directive(directive())


@pytest.mark.parametrize(
    ("before", "after", "rebuilds"),
    [
        ({"width": 64}, {"width": 64}, False),
        ({"width": 64}, {"width": 128}, True),
        ({"width": 64}, {"width": 64, "lr": 1}, False),
        ({"width": 64}, {}, True),
        ({}, {"width": 64}, True),
    ],
)
def test_a_changed_immutable_value_needs_another_model(before, after, rebuilds):
    old = parse_directive(directive(1, hyperparameters=before, immutable=["width"]))
    new = parse_directive(directive(2, hyperparameters=after, immutable=["width"]))
    assert new.rebuilds(old) is rebuilds


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = (
    scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=4), scalars)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(directive())), json_values)
def test_any_message_is_read_or_refused(name, value):
    try:
        parse_directive(directive(**{name: value}))
    except InvalidMessage as error:
        assert str(error).startswith((name, "restore", "until"))
