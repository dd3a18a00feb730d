"""benchmarks.rl: what a table says of runs, and where an interval's best score stands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks.rl import report
from benchmarks.rl.runs import INTERVALS, Trial, best_of_each_interval

NAME = "InvertedDoublePendulum-v5"


def a_run(algorithm: str, seed: int, final: float, scale: float = 0.05) -> dict:
    return {"environment": NAME, "algorithm": algorithm, "seed": seed, "scale": scale,
            "final": final, "curve": [final] * INTERVALS, "evaluation": 2 * final}  # fmt: skip


def test_a_table_has_medians_and_differences_of_equal_seeds() -> None:
    runs = [a_run("pbt", seed, final) for seed, final in enumerate((100, 300, 200))]
    runs += [a_run("pb2", seed, final) for seed, final in ((2, 150), (0, 130))]
    runs += [a_run("pb2", 1, 9000, scale=0.1)]  # another scale is another experiment
    text = report.markdown(runs, NAME, 0.05)
    assert "| PBT | 3 | 200 | 150 to 250 | 100 to 300 | 200 | 400 (300 to 500) | 8893 |" in text
    assert "| PB2 | 2 | 140 |" in text
    assert "- PB2 less PBT, 2 seeds: median -10, 95 % -50 to 30, better in 1" in text


def test_the_document_around_the_table_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"a\n{report.BEGIN}\nold\n{report.END}\nb\n")
    report.write_between(page, "new")
    assert page.read_text() == f"a\n{report.BEGIN}\nnew\n{report.END}\nb\n"
    page.write_text("nothing here")
    with pytest.raises(ValueError, match="missing"):
        report.write_between(page, "new")


def test_batches_may_end_beyond_a_boundary() -> None:
    told = SimpleNamespace(
        reports=[
            SimpleNamespace(report=SimpleNamespace(step=step, score=score))
            for step, score in ((2500, 1.0), (2600, 2.0), (7600, 5.0), (9000, 3.0), (52000, 9.0))
        ]
    )
    curve = best_of_each_interval(Trial(NAME, "pbt", 0, 0.05), told)
    assert curve == [2.0, 2.0, 5.0, *[5.0] * (INTERVALS - 4), 9.0]
