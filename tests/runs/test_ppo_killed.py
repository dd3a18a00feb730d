"""`kill -9` in the middle of reinforcement learning: environments come back as they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runs.support import Run, until

MakeExample = Callable[..., Run]


def a_run(make_example: MakeExample) -> Run:
    """Four agents take turns on two workers, so that environments are loaded at every turn."""
    run = make_example("ppo", interval=500, maxSteps=2000)
    text = run.manifest.read_text().replace("InvertedDoublePendulum-v5", "Pendulum-v1")
    run.manifest.write_text(text.replace("min: 200, max: 12000", "min: 50, max: 300"))
    return run


@pytest.mark.slow
def test_kills_change_no_decision_of_ppo(make_example: MakeExample) -> None:
    pytest.importorskip("gymnasium")
    undisturbed = a_run(make_example)
    assert undisturbed.finish(seconds=240).code == 0
    expected = undisturbed.result()
    run = a_run(make_example)
    for entries in (4, 9):  # within the first round and a later one
        process = run.start()
        until(lambda e=entries: run.count() >= e, "the journal grows", 120)
        assert not process.ended
        run.kill()
        run.check()
    assert run.finish(seconds=240).code == 0
    assert sum(d["kind"] == "exploit" for d in run.result()["decisions"]) >= 3
    assert run.result()["decisions"] == expected["decisions"]
    assert run.result()["members"] == expected["members"]
