"""The CRD and the models give the same verdict on every manifest, and on what may change."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from population_operator.api import parse
from population_operator.api.algorithm import ALGORITHMS
from population_operator.api.problems import ManifestError
from population_operator.api.schema import KINDS
from population_operator.api.transitions import CHANGEABLE, FIXED, FIXED_WITH
from population_operator.api.trials import TRIALS
from tests.api import corpus

pytest.importorskip("cel_expr_python", reason="cel-expr-python is not installed")

from tests.api.apiserver import ApiServer

EXPERIMENT = next(kind for kind in KINDS if kind.name == "PopulationExperiment")
READABLE = [bad for bad in corpus.bad() if corpus.document(bad.path) is not None]


@pytest.fixture(scope="module")
def server() -> ApiServer:
    return ApiServer(EXPERIMENT)


@pytest.mark.parametrize("manifest", READABLE, ids=lambda bad: bad.path.stem)
def test_what_the_models_refuse_the_crd_refuses(manifest: corpus.Bad, server: ApiServer) -> None:
    refusals = server.refusals(corpus.document(manifest.path))
    assert bool(refusals) != bool(manifest.accepted_by_crd), refusals


@pytest.mark.parametrize("path", corpus.good(), ids=lambda path: path.stem)
def test_what_the_models_accept_the_crd_accepts(path: Path, server: ApiServer) -> None:
    assert server.refusals(corpus.document(path)) == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("1.5h", True),
        ("0.25m", True),
        ("1m30.5s", True),
        ("0.000001s", True),
        ("87600h", True),
        ("500ms", True),
        ("1.5ms", False),  # Go reads the rest; nobody needs it, and one spelling is enough.
        (".5h", False),
        ("1.h", False),
        ("5us", False),
        ("+1h", False),
        ("-1.5h", False),
        ("1.5", False),
        ("1,5h", False),
        ("1.5d", False),
        ("0.0h", False),
        ("87600.1h", False),
        ("999999999h", False),
    ],
)
def test_a_duration_is_one_for_both(text: str, is_one: bool, server: ApiServer) -> None:
    for field in ("stragglerTimeout", "maxDuration"):
        document = full()
        document["spec"]["schedule"][field] = text
        assert (server.refusals(document) == []) == is_one
        if is_one:
            parse(document)
            continue
        with pytest.raises(ManifestError, match=f"spec.schedule.{field}: must be"):
            parse(document)


# --- changes to an experiment that exists ---------------------------------------------------------


def full() -> dict[str, Any]:
    document = corpus.document(corpus.HERE / "good" / "design.yaml")
    assert document is not None
    return document


Change = Callable[[dict[str, Any]], None]


def put(path: str, value: Any) -> Change:
    def change(spec: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for name in parents:
            spec = spec.setdefault(name, {})
        spec[last] = value

    return change


def drop(path: str) -> Change:
    def change(spec: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for name in parents:
            spec = spec[name]
        del spec[last]

    return change


CLAIM = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}
OTHER = {
    "objective.metric": put("objective.metric", "loss"),
    "objective.goal": put("objective.goal", "minimize"),
    "parameters": lambda spec: spec["parameters"][0]["float"].update(max=0.5),
    "algorithm": put("algorithm.pbt.explore.resample.probability", 0.5),
    "initial": put("initial", [{"lr": 0.02}]),
    "population.parallelism": put("population.parallelism", 2),
    "population.seed": drop("population.seed"),
    "population.baselines": put("population.baselines", 2),
    "schedule.interval": put("schedule.interval", 50),
    "schedule.synchronous": put("schedule.synchronous", True),
    "worker.local": put("worker.local.command", ["python"]),
    "storage.claimName": put("storage.claimName", "other"),
    "storage.claimTemplate": put("storage", {"claimTemplate": CLAIM}),
}
ALLOWED = {
    "objective.target": [put("objective.target", 0.5), drop("objective.target")],
    "objective.report": [put("objective.report", ["loss"]), drop("objective.report")],
    "population.size": [put("population.size", 9)],
    "schedule.maxSteps": [put("schedule.maxSteps", 2001)],
    "schedule.maxDuration": [put("schedule.maxDuration", "1h"), drop("schedule.maxDuration")],
    "schedule.stragglerTimeout": [drop("schedule.stragglerTimeout")],
    "worker.maxRestarts": [put("worker.maxRestarts", 9), drop("worker.maxRestarts")],
    "worker.template": [
        lambda spec: spec["worker"]["template"]["spec"].update(hostNetwork=True),
        drop("worker.template"),
    ],
    "storage.deletionPolicy": [put("storage.deletionPolicy", "Delete")],
    "suspend": [put("suspend", True), drop("suspend")],
    "ttlSecondsAfterFinished": [put("ttlSecondsAfterFinished", 1), drop("ttlSecondsAfterFinished")],
}
REFUSED: dict[str, Change] = {
    **OTHER,
    "smaller population": put("population.size", 7),
    "fewer steps": put("schedule.maxSteps", 1999),
    "no initial": drop("initial"),
    "no storage": drop("storage"),
    "no local": drop("worker.local"),
    "no worker": drop("worker"),
    "parameters in another order": lambda spec: spec["parameters"].reverse(),
    "values in another order": lambda spec: spec["parameters"][2]["categorical"][
        "values"
    ].reverse(),
    "a parameter more": lambda spec: spec["parameters"].append(
        {"name": "new", "float": {"min": 0, "max": 1}}
    ),
    "initial in another order": lambda spec: spec["initial"].insert(0, {"lr": 0.5}),
}


def test_every_path_has_a_case() -> None:
    assert set(OTHER) == set(FIXED)
    assert set(ALLOWED) == set(CHANGEABLE)


def changed(change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = full(), copy.deepcopy(full())
    change(new["spec"])
    return new, old


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_run_depends_on_is_fixed(case: str, server: ApiServer) -> None:
    new, old = changed(REFUSED[case])
    assert server.refusals(new) == [], "it must be a valid manifest in itself"
    assert server.refusals(new, old)


@pytest.mark.parametrize("case", ["initial", "worker.local", "population.seed"])
def test_what_was_not_given_cannot_be_added(case: str, server: ApiServer) -> None:
    new, old = changed(drop(case))
    assert server.refusals(old, new)


@pytest.mark.parametrize(
    ("path", "change"), [(path, change) for path, all_ in ALLOWED.items() for change in all_]
)
def test_the_rest_may_change(path: str, change: Change, server: ApiServer) -> None:
    new, old = changed(change)
    assert server.refusals(new, old) == []


def test_a_claim_keeps_the_owner_that_it_was_made_with(server: ApiServer) -> None:
    old = full()
    claim = {
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1"}}}
    }
    old["spec"]["storage"] = {"claimTemplate": claim, "deletionPolicy": "Delete"}
    new = copy.deepcopy(old)
    assert server.refusals(new, old) == []
    new["spec"]["storage"]["deletionPolicy"] = "Retain"
    assert "ownerReferences" in str(server.refusals(new, old))


@pytest.mark.parametrize("block", TRIALS)
def test_what_rungs_are_computed_from_is_fixed(block: str, server: ApiServer) -> None:
    old = full()
    old["spec"]["algorithm"] = {ALGORITHMS[block]: {}}
    old["spec"]["population"] = {"size": 9, "parallelism": 2}
    if block == "grid":
        del old["spec"]["initial"]
    assert server.refusals(old) == []
    for path, value in (("schedule.maxSteps", 8000), ("population.size", 10)):
        new = copy.deepcopy(old)
        put(path, value)(new["spec"])
        said = server.refusals(new, old)
        assert bool(said) == (block in FIXED_WITH[path]), said
        assert not said or f"{path} is fixed with" in str(said)


@pytest.mark.parametrize("case", REFUSED)
def test_a_spec_that_was_refused_before_it_began_binds_nobody(case: str, server: ApiServer) -> None:
    new, old = changed(REFUSED[case])
    refused, begun = {"status": {"phase": "Refused"}}, {"status": {"phase": "Running"}}
    assert server.refusals(new | refused, old | refused) == []
    assert server.refusals(new | begun, old | begun)


def test_nothing_changed_is_accepted(server: ApiServer) -> None:
    assert server.refusals(full(), full()) == []
