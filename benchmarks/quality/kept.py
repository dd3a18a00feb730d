"""Answers of long benchmarks, one line of JSON for each: a run that was stopped goes on."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any


class Kept:
    """Answers by task; both are anything that JSON can say.

    `resume` reads what an earlier run left in the file; else the file begins anew. A line that was
    cut off by a kill is left out.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self._path = path
        self._answers: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume and path.exists():
            for line in path.read_text().splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    found = json.loads(line)
                    self._answers[_key(found["task"])] = found["answer"]
        self._write("".join(self._line(json.loads(k), a) for k, a in self._answers.items()), "w")

    def __contains__(self, task: object) -> bool:
        return _key(task) in self._answers

    def __getitem__(self, task: object) -> Any:
        return self._answers[_key(task)]

    def add(self, task: object, answer: Any) -> None:
        """Keep an answer, on the disk, too."""
        self._answers[_key(task)] = answer
        self._write(self._line(task, answer), "a")

    def _write(self, text: str, mode: str) -> None:
        with self._path.open(mode) as file:
            file.write(text)

    @staticmethod
    def _line(task: object, answer: Any) -> str:
        return json.dumps({"task": task, "answer": answer}) + "\n"


def _key(task: object) -> str:
    return json.dumps(task, sort_keys=True)
