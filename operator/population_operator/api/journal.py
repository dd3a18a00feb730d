"""The kind `PopulationJournal`: a segment of an experiment's journal, on Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from population_operator.api.base import ApiModel, Cel, rule
from population_operator.api.problems import Problem
from population_operator.api.scalars import LIMIT, TEXT, WHOLE

Sequence = Annotated[int, Field(ge=0, le=LIMIT), WHOLE]
JournalLine = Annotated[str, Field(max_length=1_000_000), TEXT]


class JournalSpec(ApiModel):
    """Entries are appended, one JSON text each; a full segment is sealed, and then never changes.

    The object's resourceVersion is what an append compares.
    """

    experiment: Annotated[str, Field(min_length=1, max_length=63), TEXT]
    """The experiment's uid."""
    segment: Sequence
    """Counts the segments from 0."""
    first: Sequence
    """The sequence number of the segment's first entry."""
    entries: Annotated[tuple[JournalLine, ...], Field(max_length=10_000)] = ()
    """The open segment's entries, as JSON, in order."""
    sealed: Annotated[str, Field(max_length=1_000_000), TEXT] | None = None
    """All entries of a full segment: JSON lines, compressed by zlib, in base64."""

    cel = (
        Cel("self.experiment == oldSelf.experiment", "a segment is one experiment's", "experiment"),
        Cel("self.segment == oldSelf.segment", "a segment's number is fixed", "segment"),
        Cel("self.first == oldSelf.first", "a segment's first entry is fixed", "first"),
        Cel(
            "!has(oldSelf.sealed) || (has(self.sealed) && self.sealed == oldSelf.sealed)",
            "a sealed segment never changes",
            "sealed",
        ),
        Cel(
            "has(self.sealed) || !has(oldSelf.entries) || "
            "(has(self.entries) && self.entries.size() >= oldSelf.entries.size())",
            "entries are only ever appended",
            "entries",
        ),
    )

    @rule(
        Cel(
            "!has(self.sealed) || !has(self.entries) || self.entries.size() == 0",
            "a sealed segment has its entries in `sealed` only",
            "entries",
        )
    )
    def _in_one_place(self) -> Iterator[Problem]:
        if self.sealed is not None and self.entries:
            yield Problem("entries", "must be empty once the segment is sealed")
