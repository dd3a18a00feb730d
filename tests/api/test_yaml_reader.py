"""YAML means what it means to kubectl. The table was taken from kubectl's own answers
(`kubectl annotate --local -o json`), and is compared with the kubectl that is there, if any."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from population_operator.app.yaml_reader import MAX_DEPTH, YamlError, plain, read_yaml

SCALARS: dict[str, Any] = {
    "1e-4": 1e-4, "1e3": 1000.0, "1.": 1.0, ".5": 0.5, "-.5": -0.5, "+.5": 0.5, "09.5": 9.5,
    "08": 8.0, "012": 10, "-012": -10, "0o17": 15, "0O17": 15, "0x1F": 31, "0X1F": 31,
    "-0x1F": -31, "0b11": 3, "-0b11": -3, "0B1": 1, "00": 0, "0_1": 1, "0_8": 8.0, "1_000": 1000,
    "1__0": 10, "1_": 1, "-_5": -5, "0x_1F": 31, "1_0.5_0": 10.5, "1e3_0": 1e30, ".5_5": 0.55,
    "+5": 5, "y": True, "Yes": True, "on": True, "ON": True, "TRUE": True, "n": False, "No": False,
    "off": False, "False": False, "~": None, "null": None, "Null": None, "": None,
    "1:30": "1:30", "2024-01-01": "2024-01-01", "1e400": "1e400", "_1": "_1", "._5": "._5",
    "0x": "0x", "0o8": "0o8", "0b12": "0b12", "1.5e": "1.5e", "inf": "inf", "nan": "nan",
    "yEs": "yEs", "tRUE": "tRUE", "10m": "10m", "1.2.3": "1.2.3",
}  # fmt: skip


@pytest.mark.parametrize("word", SCALARS)
def test_plain_scalars(word: str) -> None:
    found, wanted = plain(word), SCALARS[word]
    assert found == wanted
    assert isinstance(found, bool) == isinstance(wanted, bool)
    assert isinstance(found, str) == isinstance(wanted, str)


def test_not_finite() -> None:
    assert plain(".inf") == plain("+.INF") == math.inf
    assert plain("-.Inf") == -math.inf
    assert math.isnan(plain(".NaN"))


@pytest.mark.parametrize("sign", ["", "-", "+"])
def test_a_number_of_any_length(sign: str) -> None:
    """What no float holds is a word; 21 digits are a float, and 20 may be whole."""
    assert plain(sign + "9" * 5000) == sign + "9" * 5000
    assert read_yaml(f"a: {sign}{'9' * 5000}") == [{"a": sign + "9" * 5000}]
    assert plain(f"{sign}{10**20}") == float(f"{sign}{10**20}")
    assert isinstance(plain(f"{sign}{10**20}"), float)
    assert plain("18446744073709551615") == 2**64 - 1


def test_the_kubectl_that_is_here_agrees(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl")
    lines = [f"  k{index}: {word}\n" for index, word in enumerate(SCALARS)]
    head = "apiVersion: a.io/v1\nkind: Foo\nmetadata: {name: x}\ndata:\n"
    (tmp_path / "x.yaml").write_text(head + "".join(lines))
    command = [kubectl, "annotate", "--local", "-f", "x.yaml", "a=b", "-o", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    theirs = [data[f"k{index}"] for index in range(len(SCALARS))]
    assert [_as_read(value) for value in theirs] == [_as_read(v) for v in SCALARS.values()]


def test_quotes_and_tags_make_strings() -> None:
    text = "a: '1'\nb: \"yes\"\nc: !!str 5\nd: !!float 5\ne: |\n  1\nf: !!int '7'"
    assert read_yaml(text) == [{"a": "1", "b": "yes", "c": "5", "d": 5.0, "e": "1\n", "f": 7}]


def test_keys_are_strings_as_in_json() -> None:
    assert read_yaml("{1: a, yes: b, 1.5: c, 1e3: d}") == [
        {"1": "a", "true": "b", "1.5": "c", "1000": "d"}
    ]


def test_merges_and_aliases() -> None:
    text = "a: &a {x: 1, y1: 2}\nb: {<<: *a, x: 3}\nc: {<<: [{x: 5}, *a]}\nd: [*a, *a]"
    assert read_yaml(text)[0] | {"a": None} == {
        "a": None,
        "b": {"x": 3, "y1": 2},
        "c": {"x": 5, "y1": 2},
        "d": [{"x": 1, "y1": 2}, {"x": 1, "y1": 2}],
    }


def test_documents_that_are_empty_do_not_count() -> None:
    assert read_yaml("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "the key 'c' is on line 3 already", 4, 3),
        ("a: 1\nyes: 1\n'true': 2", "the key 'true' is on line 2 already", 3, 1),
        ("[a]: 1", "a key must be a word", 1, 1),
        ("~: 1", "a key must be a word", 1, 1),
        ("a: &a\n  b: *a", "contains itself", 1, 4),
        ("a: !!python/name:os.system x", "has no meaning", 1, 4),
        ("a: !mine [1]", "has no meaning", 1, 4),
        ("a: !!int x", "'x' is no int", 1, 4),
        ("a: {<<: 1}", "`<<` merges mappings only", 1, 9),
        ("a: 1\n\tb: 2", "indent with spaces, not tabs", 2, 1),
        ("a: b: c", "quote a value", 1, 5),
        ("a: [1,", "", 2, 1),
        ("a: \x00", "U+0000 is not allowed", 1, 4),
        ("é" * 10 + "\x01", "U+0001 is not allowed", 1, 11),
        ("é: é\né: é\x7fé\x01", "U+007F is not allowed", 2, 5),
    ],
)
def test_what_is_no_yaml(text: str, reason: str, line: int, column: int) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{a: " * 70 + "1" + "}" * 70])
def test_nesting_is_bounded(text: str) -> None:
    with pytest.raises(YamlError, match=f"nested more than {MAX_DEPTH} deep"):
        read_yaml(text)


def test_aliases_of_merges_are_bounded() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    with pytest.raises(YamlError, match="counting what aliases repeat"):
        read_yaml("\n".join(lines))


def _as_read(value: object) -> object:
    """A whole number too large for 64 bits is a float to both, however many digits are printed."""
    large = isinstance(value, int | float) and abs(value) >= 2**63
    return float(value) if large else value
