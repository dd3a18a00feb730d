"""YAML as kubectl reads it: YAML 1.1 in the dialect of Go's yaml.v2, turned into JSON's values.

PyYAML alone would read `1e-4` as a string, `1:30` as 90 and a date as a date, and take the last of
two equal keys. libyaml does the parsing, as it does (ported) for kubectl; what a plain scalar
means is decided here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from types import NoneType
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_DEPTH = 64
MAX_NODES = 100_000
LONGEST = 21
"""So many digits are more than 64 bits, as more are; Python refuses to read thousands."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_INFINITE = (".inf", ".Inf", ".INF")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((*_INFINITE, *("+" + word for word in _INFINITE)), math.inf),
    **dict.fromkeys(("-" + word for word in _INFINITE), -math.inf),
}
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_FRACTION = re.compile(r"\.[0-9]+(_[0-9]+)*([eE]|$)")


class YamlError(Exception):
    """The text is not YAML that can be used; `line` and `column` count from 1, where known."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.line, self.column = reason, line, column


def read_yaml(text: str) -> list[Any]:
    """All documents of `text` that are not empty, as JSON's values."""
    try:
        _measure(text)
        nodes = list(yaml.compose_all(text, Loader=_Reader))
        return [value for value in map(_Builder().document, nodes) if value is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and mark and mark.line >= len(text.splitlines()):
            mark = error.context_mark  # what was never closed, not the end of the file
        where = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(_advice(reason, text, where[0]), *where) from None
    except yaml.reader.ReaderError as error:
        # The first of its kind; libyaml gives its place in bytes, and its pure twin in characters.
        at = text[: text.index(chr(error.character))]
        column = len(at) - (at.rfind("\n") + 1) + 1
        reason = f"the character U+{error.character:04X} is not allowed"
        raise YamlError(reason, at.count("\n") + 1, column) from None


def _advice(reason: str, text: str, line: int) -> str:
    lines = text.splitlines()
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return f"{reason}: indent with spaces, not tabs"
    if "mapping values are not allowed" in reason:
        return f"{reason}: quote a value that contains `: `, and check the indentation"
    return reason


def _measure(text: str) -> None:
    """Refuses nesting that would exhaust the stack, before anything recurses into it."""
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            mark = event.start_mark
            raise YamlError(f"is nested more than {MAX_DEPTH} deep", mark.line + 1, mark.column + 1)


class _Reader(_Loader):  # type: ignore[misc]
    """Leaves the meaning of plain scalars open: their tag is empty."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is ScalarNode:
            return "" if implicit[0] else "tag:yaml.org,2002:str"
        return str(super().resolve(kind, value, implicit))


class _Builder:
    """Values from nodes. Aliases may repeat a node, but not without bound, nor within itself."""

    def __init__(self) -> None:
        self._count = 0
        self._open: set[int] = set()

    def document(self, node: Node) -> Any:
        return self._value(node)

    def _value(self, node: Node) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise _at(node, f"has more than {MAX_NODES} values, counting what aliases repeat")
        if id(node) in self._open:
            raise _at(node, "contains itself through an alias")
        self._open.add(id(node))
        try:
            match node:
                case ScalarNode():
                    return self._scalar(node)
                case _ if node.tag not in _COLLECTIONS:
                    raise _at(node, f"the tag {node.tag} has no meaning in a manifest: remove it")
                case SequenceNode():
                    return [self._value(item) for item in node.value]
                case MappingNode():
                    return self._mapping(node)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: ScalarNode) -> Any:
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if tag == "":
            return plain(node.value)
        if tag in ("str", "timestamp"):
            return node.value
        value = plain(node.value)
        kinds: dict[str, Any] = {"bool": bool, "int": int, "float": int | float, "null": NoneType}
        if tag not in kinds:
            raise _at(node, f"the tag {node.tag} has no meaning in a manifest: remove it")
        if not isinstance(value, kinds[tag]):
            raise _at(node, f"{node.value!r} is no {tag}")
        return float(value) if tag == "float" else value

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "" and key_node.value == "<<":
                for source in self._sources(value_node):
                    merged = {**source, **merged}
                continue
            key = self._key(key_node)
            if key in own:
                raise _at(key_node, f"the key {key!r} is on line {lines[key]} already: keep one")
            lines[key] = key_node.start_mark.line + 1
            own[key] = self._value(value_node)
        return {**merged, **own}

    def _sources(self, node: Node) -> Iterator[dict[str, Any]]:
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            value = self._value(source)
            if not isinstance(value, dict):
                raise _at(source, "`<<` merges mappings only")
            yield value

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise _at(node, "a key must be a word, not a list or a mapping")
        value = self._scalar(node)
        if value is None:
            raise _at(node, "a key must be a word, not nothing")
        if isinstance(value, bool):
            return "true" if value else "false"
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else str(value)


def _at(node: Node, reason: str) -> YamlError:
    return YamlError(reason, node.start_mark.line + 1, node.start_mark.column + 1)


def plain(word: str) -> Any:
    """What a scalar without quotes means to Go's yaml.v2."""
    if word in _WORDS:
        return _WORDS[word]
    numeric = word[0] in "+-0123456789" or _FRACTION.match(word)
    digits = word.replace("_", "") if numeric else word
    if (found := _INTEGER.fullmatch(digits)) is not None:
        number = _integer(found[2]) * (-1 if found[1] == "-" else 1)
        if -(2**63) <= number < 2**64:
            return number
    if _FLOAT.fullmatch(digits):
        real = float(digits)
        return real if math.isfinite(real) else word
    return word


def _integer(digits: str) -> int:
    if digits[:2].lower() in ("0x", "0o", "0b"):
        return int(digits, 0)
    if len(digits) > 1 and digits[0] == "0":
        return int(digits, 8)
    return int(digits[:LONGEST])
