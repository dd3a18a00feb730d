"""Brackets, rungs and promotions in `result.json`, the report, the table and the statuses."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from rich.console import Console

from population_operator.adapters.kubernetes.status import experiment_status, member_status
from population_operator.api import PopulationExperiment
from population_operator.app import words
from population_operator.app.cli.live import LiveTable
from population_operator.app.cli.notes import note_of
from population_operator.app.cli.table import picture
from population_operator.app.cli.validate import summary
from population_operator.app.report import render
from population_operator.app.report.cast import Cast
from population_operator.app.report.rungs import rungs
from population_operator.app.report.scores import scores
from population_operator.app.result import Result
from population_operator.app.simulate import simulate
from population_operator.core.history import History, history
from population_operator.model.decision import DecisionKind
from tests.algorithms.bandits import a_bandit
from tests.builders import an_experiment
from tests.simulation.test_bandits import Learning

EXPERIMENT = a_bandit("hyperband").steps(1, 9).build()


@pytest.fixture(scope="module")
def told() -> History:
    return history(simulate(EXPERIMENT, Learning())[1])


def test_result_json_has_rungs_and_promotions(told: History) -> None:
    found = json.loads(Result.of(told).to_json())
    assert found["reason"] == "TrialsEnded"
    best = next(m for m in found["members"] if m["name"] == found["best"]["member"])
    assert best["trial"]["rungs"][-1]["step"] == 9
    promoted = [d for d in found["decisions"] if d["kind"] == "promote"]
    assert {(d["trial"]["rung"], d["trial"]["until"]) for d in promoted} >= {(1, 3), (2, 9)}
    assert all(d["from"]["member"] == d["member"] for d in promoted)
    again = Result.model_validate(found)
    assert json.loads(again.to_json()) == found


def test_sentences(told: History) -> None:
    said = {t.decision.kind: words.sentence(t) for t in reversed(told.decisions)}
    assert "is promoted to rung 1: to step" in said[DecisionKind.PROMOTE]
    assert "ends at step 1, on rung 0" in said[DecisionKind.STOP]


def test_the_table_says_on_which_rung_a_trial_is(told: History) -> None:
    entries = simulate(EXPERIMENT, Learning())[1]
    early = history(entries[: len(entries) // 2])
    console = Console(file=io.StringIO(), width=160, height=60, force_terminal=False)
    console.print(picture(early.state, early, (), now=early.state.time, width=160, height=60))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "of bracket" in drawn and "ended on rung 0 of bracket 0" in drawn


def test_a_log_tells_promotions_and_no_ends(told: History) -> None:
    out = io.StringIO()
    with LiveTable(Console(file=out, width=200), clock=lambda: told.state.time) as table:
        table.update(told.state, told)
    assert "is promoted to rung" in out.getvalue() and "ends at step" not in out.getvalue()


def test_the_statuses(told: History) -> None:
    shown = [member_status(told.state, member) for member in told.state.population]
    assert {status["phase"] for status in shown} == {"Stopped", "Finished"}
    assert {(s["bracket"], s["rung"]) for s in shown} >= {(0, 0), (1, 0), (2, 0)}
    assert experiment_status(told.state, (), {}, 1, 0.0)["algorithm"] == "hyperband"


@pytest.mark.parametrize(
    ("experiment", "said"),
    [
        (EXPERIMENT, "by hyperband, 17 trials on 4 workers, rungs at 1, 3, 9 steps; lr"),
        (a_bandit("hyperband", 8).steps(1, 9).build(), "8 trials on 4 workers, rungs at 1, 3, 9"),
        (
            a_bandit("asha", None, 2, eta=3).set("spec.schedule.maxDuration", "90m").build(),
            "by asha, as many trials as 1h30m allows on 2 workers, rungs at 1, 3, 9, 27, 81 steps;",
        ),
        (
            a_bandit("grid", None, 2, points=3).steps(10, 40).build(),
            "by grid, 3 trials on 2 workers, each trained for 40 steps, with a report every 10; lr",
        ),
        (a_bandit("tpe", 2, 2).steps(1, 1).build(), "by tpe, 2 trials, each trained for 1 step,"),
        (a_bandit("successiveHalving", 2, 2).steps(3, 4).build(), "trials, each trained for 4 ste"),
        (
            an_experiment().random_search().steps(10, 40).build(),
            "by random, 8 members, a report every 10 of 40 steps (asynchronous); lr",
        ),
        (
            an_experiment().size(8, parallelism=2).synchronous().build(),
            "by pbt, 8 members on 2 workers, a decision every 100 of 2000 steps (synchronous); lr",
        ),
    ],
)
def test_one_line_of_a_manifest(experiment: PopulationExperiment, said: str) -> None:
    assert said in summary(experiment)


def test_the_report_is_made(told: History) -> None:
    html = render(told, made=told.state.time)
    assert "hyperband" in html and "promote" in html and 'id="s-rungs"' in html
    assert "It is one of 17 trials" in html and "never copied" not in html


def test_the_figure_of_rungs_has_every_result_and_promotion(told: History) -> None:
    drawn = rungs(told)
    assert drawn is not None and not drawn.remarks
    promotions, ended, went_on, best = drawn.figure.data
    results = [result for member in told.state.population for result in member.rungs]
    assert len(ended["x"]) + len(went_on["x"]) == len(results)
    assert sorted([*ended["y"], *went_on["y"]]) == sorted(r.score for r in results)
    gone = [t for t in told.decisions if t.decision.kind is DecisionKind.PROMOTE]
    assert len(went_on["x"]) == len(gone) > 3
    assert len([x for x in promotions["x"] if x is not None]) >= len(gone) + 1
    assert told.state.best is not None and best["y"][-1] == told.state.best.score
    axis = drawn.figure.layout["xaxis"]
    assert axis["ticktext"] == [
        "1<br>(9)", "3<br>(3)", "9<br>(1)", "3<br>(5)", "9<br>(1)", "9<br>(3)"
    ]  # fmt: skip
    heads = [note["text"] for note in drawn.figure.layout["annotations"]]
    assert heads == ["bracket 0", "bracket 1", "bracket 2"]


def test_a_trial_that_reported_once_is_a_point(told: History) -> None:
    drawn = {trace["name"]: trace for trace in scores(Cast.of(told)).figure.data}
    for member in told.state.population:
        trace, once = drawn[member.name], len(told.by_member[member.name]) == 1
        reports = [score for score in trace["y"] if score is not None]
        assert len(reports) == len(told.by_member[member.name])
        assert ("markers" in trace["mode"]) == once
        if once:
            assert trace["marker"]["size"][0] > 0
            assert len(trace["marker"]["size"]) == len(trace["x"])


def test_without_rungs_there_is_no_figure_of_them() -> None:
    full = a_bandit("bayesian", 3, workers=2).steps(1, 3).build()
    found = history(simulate(full, Learning())[1])
    assert rungs(found) is None
    assert 'id="s-rungs"' not in render(found, made=found.state.time)


def test_results_that_are_no_numbers_are_counted() -> None:
    class Diverges(Learning):
        def train(self, weights: Any, it: Any, step: int, until: int, seed: int) -> Any:
            trained, score = super().train(weights, it, step, until, seed)
            return trained, math.nan if seed % 3 == 0 else score

    drawn = rungs(history(simulate(EXPERIMENT, Diverges())[1]))
    assert drawn is not None
    assert any("that are no numbers have no dot" in remark for remark in drawn.remarks)


def test_after_the_end_each_trial_says_where_it_ended(told: History) -> None:
    notes = [note_of(told.state, member, 0.0).text for member in told.state.population]
    assert {"ended on rung 0 of bracket 0", "finished on rung 2 of bracket 0"} <= set(notes)
    assert all(note.startswith(("ended on rung", "finished on rung")) for note in notes)
