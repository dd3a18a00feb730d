"""Ctrl-C suspends: workers end, everything is kept, and the same command goes on."""

from __future__ import annotations

import json
import signal

import pytest

from tests.runs.conftest import Make
from tests.runs.support import STANDARD, Run, until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_command_goes_on(make: Make, undisturbed: Run, number: signal.Signals) -> None:
    expected = undisturbed.result()
    run = make(STANDARD, pace=0.1)
    for reports in (2, 8) if number is signal.SIGINT else (5,):
        process = run.start()
        until(lambda n=reports: run.state().reports >= n, "it trains")
        process.signal(number)
        outcome = process.finish()
        assert outcome.code == 130
        assert outcome.err == ""
        assert "suspended: the same command goes on from here" in outcome.out
        assert "asked to suspend" in outcome.out
        assert "the manifest changed" not in outcome.out and "spec.suspend" not in outcome.out
        assert run.workers() == {}, "the workers end first"
        result = run.result()
        assert (result["phase"], result["reason"]) == ("Suspended", "Suspended")
        assert result["message"] == "interrupted: the same command goes on from here"
        run.check()
    again = run.complete()
    assert again["decisions"] == expected["decisions"]
    assert again["members"] == expected["members"]
    assert json.dumps(again["schedule"]) == json.dumps(expected["schedule"])


def test_workers_that_do_not_listen_are_ended_all_the_same(make: Make) -> None:
    run = make(STANDARD, program="silent")
    process = run.start()
    until(lambda: len(run.workers()) == 3, "they run")
    process.signal(signal.SIGINT)
    assert process.finish(10).code == 130
    assert run.workers() == {}


def test_steps_may_be_added_while_it_rests(make: Make) -> None:
    run = make(STANDARD, pace=0.1)
    process = run.start()
    until(lambda: run.state().reports >= 2, "it trains")
    process.signal(signal.SIGINT)
    assert process.finish().code == 130
    text = run.manifest.read_text().replace("maxSteps: 50", "maxSteps: 70")
    run.manifest.write_text(text)
    assert {m["step"] for m in run.complete()["members"]} == {70}
