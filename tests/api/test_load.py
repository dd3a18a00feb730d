"""Reading files: whatever lies there, one ManifestError with the file's name and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from population_operator.api import ManifestError
from population_operator.app.manifest import MAX_BYTES, load, loads
from tests.api import corpus

MINIMAL = (corpus.HERE / "good" / "minimal.yaml").read_text()


def refusal(path: Path) -> str:
    with pytest.raises(ManifestError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem.path == str(path)
    assert "\n" not in str(problem)
    return problem.message


def test_no_such_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yaml") == "no such file"
    (tmp_path / "digits.yml").write_text(MINIMAL)
    assert "did you mean" in refusal(tmp_path / "digits.yaml")


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is a folder: give the manifest's file"


def test_a_file_within_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert "not a directory" in refusal(tmp_path / "a" / "b.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MINIMAL)
    (tmp_path / "a.yaml").chmod(0)
    assert "permission denied" in refusal(tmp_path / "a.yaml")


def test_a_name_that_is_none() -> None:
    assert "is no file's name" in refusal(Path("a\0b"))
    assert "too long" in refusal(Path("a" * 5000))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: \xff\xfe")
    assert refusal(tmp_path / "a.yaml") == "is not UTF-8 text (line 2): save it as UTF-8"


def test_a_file_that_is_far_too_large(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# " + "x" * MAX_BYTES)
    assert "is larger than" in refusal(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n---\n", "null", "~"])
def test_nothing_in_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert "is empty" in refusal(tmp_path / "a.yaml")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load(str(tmp_path / "a.yaml")).metadata.name == "digits"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": ' * 100_000, "nested more than"),
        ('{"a": [1, 2', "is not usable YAML: line"),
    ],
)
def test_what_is_no_json(text: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        loads(text)


def test_an_overflow_in_json_is_told_by_its_field() -> None:
    text = (corpus.HERE / "good" / "json.json").read_text().replace('"max": 1}', '"max": 1e999}')
    with pytest.raises(ManifestError) as caught:
        loads(text)
    assert [str(one) for one in caught.value.problems] == [
        "spec.parameters[0].float.max: must be a finite number, got inf"
    ]


def test_one_experiment_of_another_group_beside_ours() -> None:
    other = "apiVersion: example.com/v1\nkind: PopulationExperiment\n"
    with pytest.raises(ManifestError, match=r"example\.com/v1 PopulationExperiment"):
        loads(f"{other}---\nkind: ConfigMap\n")
    assert loads(f"{other}---\n{MINIMAL}").metadata.name == "digits"
