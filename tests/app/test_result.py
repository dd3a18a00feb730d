"""`result.json`: the format that `docs/result.md` promises, and that it is written whole."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from population_operator.adapters.local.folder import RunFolder
from population_operator.app.files import replace_file
from population_operator.app.result import Result, write_result
from population_operator.core.history import history
from tests.journals import Remembers, Run, a_run, crashing, small, with_metrics

DOCUMENT = Path(__file__).parents[2] / "docs" / "result.md"


@pytest.fixture(scope="module")
def run() -> Run:
    experiment = small().initial({"lr": 0.9})
    return with_metrics(a_run(experiment, Remembers(0.6), crashing()), test=0.5, loss=float("inf"))


@pytest.fixture(scope="module")
def found(run: Run) -> dict[str, object]:
    return json.loads(Result.of(history(run.entries)).to_json(), parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_the_fields_are_the_documented_ones(found: dict) -> None:  # type: ignore[type-arg]
    assert list(found) == [
        "phase", "reason", "message", "objective", "best", "members", "decisions", "schedule",
    ]  # fmt: skip
    assert list(found["objective"]) == ["metric", "goal", "target"]
    assert list(found["best"]) == [
        "member", "step", "score", "hyperparameters", "checkpoint", "metrics",
    ]  # fmt: skip
    assert {tuple(m) for m in found["members"]} == {("name", "step", "score", "hyperparameters")}
    assert {tuple(d) for d in found["decisions"]} == {
        ("id", "member", "kind", "from", "at_step", "hyperparameters", "reason")
    }
    assert {tuple(s) for s in found["schedule"]} == {("from_step", "hyperparameters")}
    text = DOCUMENT.read_text()
    words = {*found, *found["objective"], *found["best"], *found["decisions"][0]}
    assert all(f"`{word}`" in text for word in words)


def test_the_documents_example_is_of_this_format() -> None:
    example = re.search(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert example is not None
    Result.model_validate_json(example[1])


def test_what_it_says_is_what_happened(run: Run, found: dict) -> None:  # type: ignore[type-arg]
    best = run.state.best
    assert best is not None
    assert (found["phase"], found["reason"]) == ("Complete", "MaxStepsReached")
    assert (found["best"]["member"], found["best"]["step"]) == (best.member, best.step)
    assert found["best"]["checkpoint"] == f"checkpoints/uid-1/{best.ref}"
    assert found["best"]["metrics"] == {"test": 0.5, "loss": "inf"}
    assert found["best"]["hyperparameters"] == found["schedule"][-1]["hyperparameters"]
    assert [m["name"] for m in found["members"]] == [f"m{i}" for i in range(6)]
    assert len(found["decisions"]) == run.state.decisions
    kinds = [d["kind"] for d in found["decisions"]]
    assert kinds.count("exploit") == run.state.exploits


def test_decisions_are_counted_by_member_and_ordered_by_round(found: dict) -> None:  # type: ignore[type-arg]
    counts: dict[str, int] = {}
    for decision in found["decisions"]:
        counts[decision["member"]] = counts.get(decision["member"], 0) + 1
        assert decision["id"] == f"{decision['member']}/{counts[decision['member']]}"
        assert (decision["from"] is None) == (decision["kind"] == "start")
    first = [d["member"] for d in found["decisions"][:12]]
    assert first == [f"m{i}" for i in range(6)] * 2


def test_crashes_do_not_change_the_list_of_decisions() -> None:
    """Workers that are lost without a fault of theirs, in synchronous mode with a seed."""

    def lose(simulation, count: int) -> None:  # type: ignore[no-untyped-def]
        if count % 7 == 6:
            simulation.crash(workers_too=True)

    calm, rough = a_run(small()), a_run(small(), fault=lose)
    assert len(rough.entries) > len(calm.entries)
    results = [Result.of(history(r.entries)) for r in (calm, rough)]
    assert results[0].decisions == results[1].decisions
    assert results[0].schedule == results[1].schedule


def test_a_run_that_has_just_begun() -> None:
    result = Result.of(history(a_run(small(), steps=1).entries))
    assert result.best is None
    assert result.schedule == ()
    assert all(member.score is None for member in result.members)
    assert json.loads(result.to_json())["phase"] == "Running"


def test_scores_that_are_no_numbers_are_text() -> None:
    run = a_run(small().set("spec.algorithm", {"random": {}}), Remembers(nan_above=0.0))
    found = json.loads(Result.of(history(run.entries)).to_json(), parse_constant=_refuse)
    assert found["phase"] == "Failed"
    assert found["best"] is None
    assert {member["score"] for member in found["members"]} == {"nan"}


def test_it_is_written_next_to_the_checkpoints(run: Run, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_result(folder.result, history(run.entries), folder)
    found = json.loads(folder.result.read_text())
    assert run.state.best is not None
    checkpoint = folder.checkpoints("uid-1") / str(run.state.best.ref)
    assert tmp_path / found["best"]["checkpoint"] == checkpoint
    assert list(tmp_path.iterdir()) == [folder.result]


def test_a_full_disk_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    replace_file(path, [b"before"])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, [b"after"])
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_what_a_model_expected_stands_in_its_decisions_alone() -> None:
    run = a_run(small().set("spec.algorithm", {"pb2": {}}))
    found = json.loads(Result.of(history(run.entries)).to_json())
    decisions = [d.decision for d in history(run.entries).decisions]
    told = {d.id: d.expected for d in decisions if d.expected is not None}
    assert told
    assert {d["id"] for d in found["decisions"] if "expected" in d} == set(told)
    for decision in found["decisions"]:
        if "expected" in decision:
            expected = told[decision["id"]]
            assert decision["expected"] == {
                "mean": expected.mean, "sd": expected.sd, "rows": expected.rows,
            }  # fmt: skip
            assert decision["expected"]["sd"] > 0
