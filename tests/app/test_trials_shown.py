"""Brackets, rungs and promotions in `result.json`, the report, the table and the statuses."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from population_operator.adapters.kubernetes.status import experiment_status, member_status
from population_operator.app import words
from population_operator.app.cli.live import LiveTable
from population_operator.app.cli.table import picture
from population_operator.app.cli.validate import summary
from population_operator.app.report import render
from population_operator.app.result import Result
from population_operator.app.simulate import simulate
from population_operator.core.history import History, history
from population_operator.model.decision import DecisionKind
from tests.algorithms.bandits import a_bandit
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


def test_one_line_of_a_manifest() -> None:
    assert "by hyperband, as many trials as it says on 4 workers" in summary(EXPERIMENT)


def test_the_report_is_made(told: History) -> None:
    html = render(told, made=told.state.time)
    assert "hyperband" in html and "promote" in html
