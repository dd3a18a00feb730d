"""Manifests of every kind, trained to their end by real workers that check what they are given."""

from __future__ import annotations

import json
import signal
from typing import Any

from population_operator.model.entry import WorkerOpened
from tests.builders import ExperimentBuilder, a_choice, a_float, an_experiment, an_integer, when
from tests.runs.conftest import Make
from tests.runs.support import until

LR = a_float("lr", 1e-3, 1.0, log=True)


def of_kind(result: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [d for d in result["decisions"] if d["kind"] == kind]


def small() -> ExperimentBuilder:
    return an_experiment().size(4).truncation(0.25).synchronous().steps(10, 80).parameters(LR)


def test_every_kind_of_parameter_reaches_the_worker_as_what_it_is(make: Make) -> None:
    """Integers, ordered and unordered choices, conditionals; `width` needs a new model each time.

    The worker exits on a value of the wrong type, an inactive one, and weights that do not fit.
    """
    experiment = (
        small()
        .parameters(
            LR,
            an_integer("batch", 8, 64, log=True),
            a_choice("width", "32", "64", "128", type="integer", mutable=False),
            a_choice("depth", "1", "2", "3", "4", type="integer", ordered=True),
            a_choice("optimizer", "adam", "sgd"),
            a_float("momentum", 0.0, 0.99, when=when("optimizer", "sgd")),
            a_float("beta", 0.5, 0.999, step=0.1, when=when("optimizer", "adam")),
        )
        .size(4, parallelism=2)
        .max_restarts(0)
    )
    run = make(experiment)
    result = run.complete()
    exploits = of_kind(result, "exploit")
    assert exploits
    width = dict.fromkeys(("m0", "m1", "m2", "m3"))
    moved = 0
    for decision in result["decisions"]:
        values, member = decision["hyperparameters"], decision["member"]
        if decision["kind"] == "exploit":
            moved += width[member] != values["width"]
            assert values["width"] == width[decision["from"]["member"]], "the donor's comes along"
        elif width[member] is not None:
            assert values["width"] == width[member], "fixed for a lineage"
        width[member] = values["width"]
        assert ("beta" in values) == (values["optimizer"] == "adam")
        assert ("momentum" in values) == (values["optimizer"] == "sgd")
    assert moved, "no exploit ever changed the width: the test says nothing"
    assert run.history().incidents == []


def test_baselines_never_change(make: Make) -> None:
    result = make(small().baselines(2).initial({"lr": 0.5})).complete()
    for name in ("m0", "m1"):
        values = [d["hyperparameters"] for d in result["decisions"] if d["member"] == name]
        assert len(values) > 1
        assert all(v == values[0] for v in values)
        assert name != "m0" or values[0] == {"lr": 0.5}
        assert {d["kind"] for d in result["decisions"] if d["member"] == name} == {
            "start",
            "continue",
        }


def test_fewer_workers_than_members_take_turns_without_restarts(make: Make) -> None:
    run = make(small().size(5, parallelism=2).steps(10, 40))
    run.complete()
    opened = [e for entry in run.entries() for e in entry.decided if isinstance(e, WorkerOpened)]
    assert [(e.worker, e.incarnation) for e in opened] == [("w0", 1), ("w1", 1)]


def test_a_target_ends_the_run(make: Make) -> None:
    run = make(small().steps(10, 10_000).target(1.0), pace=0.01)
    result = run.complete()
    assert result["reason"] == "TargetReached"
    assert result["best"]["score"] >= 1.0
    assert max(m["step"] for m in result["members"]) < 10_000


def test_max_duration_ends_the_run(make: Make) -> None:
    run = make(small().steps(10, 100_000).max_duration(1.5), pace=0.02)
    result = run.complete()
    assert result["reason"] == "MaxDurationReached"
    assert result["best"]


def test_max_duration_without_a_report_is_a_failure(make: Make) -> None:
    outcome = make(small().max_duration(0.3), program="silent").finish()
    assert outcome.code == 1
    assert outcome.line.startswith("failed: MaxDurationReached: nothing was reported")


def test_a_member_whose_score_is_no_number_is_replaced_by_copies(make: Make) -> None:
    run = make(small(), nan="m0")
    result = run.complete()
    assert [d for d in of_kind(result, "exploit") if d["member"] == "m0"]
    assert result["best"]["member"] != "m0"
    assert all(d["from"]["member"] != "m0" for d in of_kind(result, "exploit"))

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    json.loads(run.folder.result.read_text(), parse_constant=refuse)
    for line in run.folder.journal.read_text().splitlines():
        json.loads(line, parse_constant=refuse)


def test_the_t_test_looks_at_samples(make: Make) -> None:
    """Where the samples spread as widely as the scores, hardly anybody is significantly better."""
    sure = make(small().t_test(), noise=0).complete()
    unsure = make(small().t_test(), noise=10).complete()
    assert of_kind(sure, "exploit")
    assert len(of_kind(unsure, "exploit")) < len(of_kind(sure, "exploit"))


def test_asynchronous_members_do_not_wait_for_each_other(make: Make) -> None:
    run = make(small().size(3).asynchronous().steps(10, 40), pace=0.02, slow="m2:0.6")
    run.complete()
    order = [(r.report.member, r.report.step) for r in run.history().reports]
    assert order.index(("m0", 40)) < order.index(("m2", 30))


def test_the_population_may_grow(make: Make) -> None:
    run = make(small(), pace=0.05)
    process = run.start()
    until(lambda: run.state().reports >= 4, "it trains")
    process.signal(signal.SIGINT)
    assert process.finish().code == 130
    run.manifest.write_text(run.manifest.read_text().replace("size: 4", "size: 6"))
    members = run.complete()["members"]
    assert [m["step"] for m in members] == [80] * 6


def test_asynchronous_members_take_turns(make: Make) -> None:
    result = make(small().size(6, parallelism=2).asynchronous()).complete()
    assert [m["step"] for m in result["members"]] == [80] * 6


def test_the_best_checkpoint_is_where_the_result_says(make: Make) -> None:
    run = make(small().size(2).minimize().steps(10, 20))
    best = run.complete()["best"]
    weights = json.loads((run.folder.root / best["checkpoint"] / "weights.json").read_text())
    assert weights["height"] == best["score"] == best["metrics"]["height"]
    assert run.folder.report.stat().st_size > 10_000


def test_a_trial_whose_worker_saves_nothing_is_promoted_from_zero(make: Make) -> None:
    experiment = small().set("spec.algorithm", {"successiveHalving": {}}).steps(10, 90)
    run = make(experiment.size(9, parallelism=2), saves="no")
    result = run.complete()
    promoted = of_kind(result, "promote")
    assert len(promoted) == 4
    assert all(d["from"] is None and "starts again from zero" in d["reason"] for d in promoted)
    reports = run.history().reports
    assert [r.report.metrics["begun"] for r in reports] == [0.0] * 13
    assert not any(r.report.checkpoint for r in reports)
    assert sorted(r.report.step for r in reports) == [10] * 9 + [30] * 3 + [90]
    assert result["best"]["checkpoint"] is None
    assert max(w.incarnation for w in run.state().workers.values()) == 1, "on warm workers"
