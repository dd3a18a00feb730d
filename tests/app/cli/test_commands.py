"""The command line as a user meets it: what it prints, where to, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from population_operator.algorithms import tpe
from population_operator.api.scalars import LIMIT
from population_operator.app.cli import program_name, run_command
from population_operator.app.cli.errors import BAD_INPUT, COMPLETE, FAILED, INTERRUPTED
from tests.journals import Remembers, Run, a_run, crashing, small

MANIFEST = """
apiVersion: population-operator.io/v1alpha1
kind: PopulationExperiment
metadata: {name: digits}
spec:
  objective: {metric: accuracy}
  parameters:
  - {name: lr, float: {min: 1e-4, max: 1.0, scale: log}}
  - {name: optimizer, categorical: {values: [adam, sgd]}}
  algorithm: {pbt: {}}
  population: {size: 4, parallelism: 2}
  schedule: {interval: 10, maxSteps: 40, synchronous: true}
  worker: {local: {command: ["true"]}}
"""

FORGED = '"kind":"exploit"'


@pytest.fixture(scope="module")
def run() -> Run:
    return a_run(small().initial({"lr": 0.9}), Remembers(0.6), crashing())


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(run.save(tmp_path_factory.mktemp("runs") / "digits"))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "digits.yaml"
    path.write_text(MANIFEST)
    return path


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr; nothing may stand on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.strip()


# --- the program itself ---------------------------------------------------------------------------


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--help"]) == COMPLETE
    out = capsys.readouterr().out
    for command in ("run", "validate", "verify", "status", "report", "schedule", "lineage"):
        assert f" {command} " in out
        assert run_command([command, "--help"]) == COMPLETE
        shown = capsys.readouterr().out
        assert "Examples" in shown
        assert f"population {command} " in shown
    assert "130 interrupted" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bogus"], "no such command 'bogus'"),
        (["run"], "population run: missing argument 'FILE'"),
        (["run", "a.yaml", "--sed", "3"], "no such option"),
        (["run", "a.yaml", "--seed", "x"], "invalid value for '--seed'"),
        (["run", "a.yaml", "--seed", str(LIMIT + 1)], "invalid value for '--seed'"),
        (["schedule", "x", "-o", "xml"], "'xml' is not one of"),
    ],
)
def test_usage_errors_are_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == BAD_INPUT
    line = complaint(capsys)
    assert told in line
    assert "--help`)" in line


def test_the_largest_seed_of_a_manifest_is_one_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["run", str(tmp_path / "a.yaml"), "--seed", str(LIMIT)]) == BAD_INPUT
    assert "no such file" in complaint(capsys)


def test_it_is_the_plugin_of_kubectl(capsys: pytest.CaptureFixture[str]) -> None:
    assert program_name("/usr/bin/kubectl-population") == "kubectl population"
    assert program_name("/venv/bin/population") == "population"
    assert run_command(["bogus"], "kubectl population") == BAD_INPUT
    assert complaint(capsys).startswith("kubectl population: ")


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    def interrupted(target: str) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("population_operator.app.cli.verify.verify", interrupted)
    assert run_command(["verify", folder]) == INTERRUPTED


def test_a_mistake_of_ours_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    def broken(target: str) -> int:
        raise KeyError("ours")

    monkeypatch.setattr("population_operator.app.cli.verify.verify", broken)
    with pytest.raises(KeyError):
        run_command(["verify", folder])


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "import population_operator.app.cli\n"
        "heavy = {'pydantic', 'numpy', 'rich', 'aiohttp', 'yaml', 'jinja2', 'cryptography'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# --- validate -------------------------------------------------------------------------------------


def test_a_valid_manifest_is_told_back(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["validate", str(manifest)]) == COMPLETE
    out = capsys.readouterr().out
    assert out.startswith(f"{manifest}: valid: digits: maximize accuracy by pbt, ")
    assert "4 members on 2 workers" in out
    assert "lr [0.0001, 1] log, optimizer {adam, sgd}" in out
    assert out.count("\n") == 1


def test_every_problem_is_a_line(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = MANIFEST.replace("max: 1.0", "max: 1e-5").replace("size: 4", "size: 1")
    manifest.write_text(bad)
    good = manifest.with_name("good.yaml")
    good.write_text(MANIFEST)
    assert run_command(["validate", str(manifest), str(good)]) == BAD_INPUT
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"{manifest}: spec.") for line in lines)
    assert out.startswith(f"{good}: valid: ")


@pytest.mark.parametrize("text", [None, "", "a: [", "- 1"])
def test_what_is_no_manifest(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    for command in ("validate", "run"):
        assert run_command([command, str(path)]) == BAD_INPUT
        line = complaint(capsys)
        assert line.startswith(f"{path}: ")
        assert line.count(str(path)) == 1


# --- commands that read a run ---------------------------------------------------------------------


@pytest.mark.parametrize("command", ["verify", "status", "report", "schedule", "lineage"])
def test_a_run_that_is_not_there(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([command, str(tmp_path / "nothing")]) == BAD_INPUT
    assert "no such folder" in complaint(capsys)
    assert run_command([command, str(tmp_path)]) == BAD_INPUT
    assert "holds no run" in complaint(capsys)
    (tmp_path / "journal.jsonl").write_text("")
    assert run_command([command, str(tmp_path)]) == BAD_INPUT
    assert "is empty" in complaint(capsys)


@pytest.fixture(params=["run", "verify", "status", "report", "schedule", "lineage"])
def reading(request: pytest.FixtureRequest, manifest: Path, tmp_path: Path) -> list[str]:
    """Each command that reads the journal in tmp_path/out."""
    target = [str(manifest), "--output"] if request.param == "run" else []
    return [request.param, *target, str(tmp_path / "out")]


@pytest.mark.parametrize("damage", ["a line", "a hole"])
def test_a_damaged_journal_is_a_failure_whoever_reads_it(
    reading: list[str],
    damage: str,
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command line was right: 2 would send a script's author looking there."""
    journal = run.save(tmp_path / "out") / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    lines[1:2] = ["{}\n"] if damage == "a line" else []
    journal.write_text("".join(lines))
    assert run_command(reading) == FAILED
    assert "line 2 " in complaint(capsys)


def test_a_forged_journal_is_a_failure_whoever_reads_it(
    reading: list[str], run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = run.save(tmp_path / "out") / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if '"kind":"issued"' in line)
    orders = json.loads(lines[place])
    for order in orders["decided"]:
        if order["kind"] == "issued":
            order["member"] = "m99"
    lines[place] = json.dumps(orders) + "\n"
    journal.write_text("".join(lines))
    assert run_command(reading) == FAILED
    told = complaint(capsys)
    assert told.startswith(f"{journal}: entry {place + 1} ")
    assert "m99" in told


def test_verify_agrees(folder: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["verify", folder]) == COMPLETE
    assert f"{len(run.entries)} entries" in capsys.readouterr().out


def test_verify_finds_a_forged_decision(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (run.save(tmp_path) / "journal.jsonl").read_text().splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if FORGED in line)
    lines[place] = lines[place].replace(FORGED, '"kind":"continue"')
    (tmp_path / "journal.jsonl").write_text("".join(lines))
    assert run_command(["verify", str(tmp_path)]) == FAILED
    assert f"entry {place + 1} does not follow" in complaint(capsys)


def test_status_shows_everybody(folder: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["status", folder]) == COMPLETE
    out = capsys.readouterr().out
    assert "Complete" in out
    assert all(f" {member} " in out for member in run.state.members)
    assert "copies" in out


def test_colors_in_a_pipe_do_not_narrow_it(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "6")
    assert run_command(["status", folder]) == COMPLETE
    plain = capsys.readouterr().out
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run_command(["status", folder]) == COMPLETE
    colored = capsys.readouterr().out
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain


def test_status_for_programs(folder: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["status", folder, "-o", "json"]) == COMPLETE
    found = json.loads(capsys.readouterr().out)
    assert run.state.best is not None
    assert found["best"]["member"] == run.state.best.member


def test_report_says_where_it_is(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["report", folder]) == COMPLETE
    assert capsys.readouterr().out.strip() == f"{folder}/report.html"
    other = tmp_path / "page.html"
    assert run_command(["report", f"{folder}/journal.jsonl", "-o", str(other)]) == COMPLETE
    assert other.stat().st_size == (Path(folder) / "report.html").stat().st_size


def test_a_report_goes_into_a_folder_that_is_there(
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for output in (".", "..", str(tmp_path)):
        assert run_command(["report", folder, "-o", output]) == BAD_INPUT
        assert complaint(capsys) == f"{output}: is a folder: give the page's file"
    assert run_command(["report", folder, "-o", "no/x.html"]) == BAD_INPUT
    assert complaint(capsys) == "no/x.html: there is no folder no: make it first"
    assert list(tmp_path.iterdir()) == []


def test_a_report_can_go_to_a_pipe(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its place is not told, since that may be the same pipe. (Broken, /dev/stdout stays so.)"""
    pipe, pages = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: pages.append(pipe.read_text()), daemon=True)
    reader.start()
    assert run_command(["report", folder, "-o", str(pipe)]) == COMPLETE
    reader.join(10)
    assert [page.strip()[-7:] for page in pages] == ["</html>"]
    assert capsys.readouterr().out == ""


def test_the_schedule_in_every_form(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    forms = {}
    for form in ("table", "json", "yaml", "csv"):
        assert run_command(["schedule", folder, "-o", form]) == COMPLETE
        forms[form] = capsys.readouterr().out
    rows = json.loads(forms["json"])
    assert rows == yaml.safe_load(forms["yaml"])
    assert rows[0]["from_step"] == 0
    table = list(csv.reader(io.StringIO(forms["csv"])))
    assert table[0] == ["from_step", "lr"]
    assert [float(row[1]) for row in table[1:]] == [r["hyperparameters"]["lr"] for r in rows]
    assert "from step" in forms["table"]


def test_the_schedule_of_a_member(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["schedule", folder, "--member", "m2", "-o", "json"]) == COMPLETE
    assert json.loads(capsys.readouterr().out)[0]["from_step"] == 0
    assert run_command(["schedule", folder, "--member", "m9"]) == BAD_INPUT
    assert "it has m0 to m5" in complaint(capsys)


def test_no_schedule_before_a_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(small(), steps=1).save(tmp_path)
    assert run_command(["schedule", str(tmp_path)]) == BAD_INPUT
    assert "nobody has reported" in complaint(capsys)


def test_lineage_is_a_tree(folder: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["lineage", folder]) == COMPLETE
    short = capsys.readouterr().out
    assert run_command(["lineage", folder, "--all"]) == COMPLETE
    everything = capsys.readouterr().out
    assert "left no trace (--all shows them)" in short.replace("\n", " ")
    assert everything.count("── m") == run.state.exploits + len(run.state.members)
    assert short.count("── m") < everything.count("── m")


def test_a_missing_library_is_one_line(
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(tpe.importlib, "import_module", missing)
    manifest.write_text(MANIFEST.replace("pbt: {}", "tpe: {}"))
    assert run_command(["run", str(manifest), "-o", str(tmp_path / "out")]) == FAILED
    err = capfd.readouterr().err
    assert err.startswith("population: spec.algorithm.tpe: needs Optuna: pip install ")
    assert err.count("\n") == 1
