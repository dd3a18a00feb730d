"""The journal as objects: segments that are appended to by compare-and-swap.

Each append is one write. Its `resourceVersion` is the fence: an operator that lost its lease
without noticing cannot append to what somebody else has appended to meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from population_operator.adapters.kubernetes.client import (
    ApiError,
    Client,
    Object,
    UnreachableError,
)
from population_operator.adapters.kubernetes.names import (
    API_VERSION,
    UID,
    Key,
    labels,
    owner,
    path,
    segment_name,
)
from population_operator.model.entry import Entry
from population_operator.ports import ConflictError, JournalUnavailableError

SEGMENT_BYTES = 64_000
"""A segment that has this much is sealed before the next entry is appended."""

PLURAL = "populationjournals"


@dataclass
class _Open:
    """The last segment as it was last read or written."""

    body: Object
    size: int
    next_seq: int


@dataclass
class KubernetesJournal:
    """All experiments' journals; the key is `namespace/name/uid`.

    `_open` has the last segment of each journal that was read; none where it has no segment yet.
    """

    client: Client
    _open: dict[str, _Open | None] = field(default_factory=dict)

    async def load(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        where = Key.parse(key)
        try:
            listed = await self.client.get(
                path(PLURAL, where.namespace), labelSelector=f"{UID}={where.uid}"
            )
        except (ApiError, UnreachableError) as error:
            raise JournalUnavailableError(str(error)) from error
        segments = sorted(listed["items"], key=lambda item: int(item["spec"]["segment"]))
        # A long one takes seconds, which the event loop has not: the Lease would be lost.
        entries, count = await asyncio.to_thread(_read, segments, after)
        self._open[key] = None
        if segments:
            last = {"apiVersion": API_VERSION, "kind": "PopulationJournal", **segments[-1]}
            size = sum(len(line) for line in last["spec"].get("entries", ()))
            self._open[key] = _Open(last, size, count + 1)
        return entries

    async def append(self, key: str, entry: Entry) -> Entry:
        where, line = Key.parse(key), entry.model_dump_json()
        if key not in self._open:
            await self.load(key)
        current = self._open[key]
        expected = current.next_seq if current else 1
        if entry.seq != expected:
            raise ConflictError(f"entry {entry.seq} does not follow {expected - 1}")
        try:
            if current is None or "sealed" in current.body["spec"]:
                number = int(current.body["spec"]["segment"]) + 1 if current else 0
                await self._create(where, number, entry.seq, line)
            elif current.size >= SEGMENT_BYTES or len(line) > SEGMENT_BYTES:
                await self._seal(where, current)
                number = int(current.body["spec"]["segment"]) + 1
                await self._create(where, number, entry.seq, line)
            else:
                await self._append(where, current, line)
        except ApiError as error:
            self._open.pop(key, None)
            if error.status == 409:
                raise ConflictError(error.message) from error
            raise JournalUnavailableError(str(error)) from error
        except UnreachableError as error:
            self._open.pop(key, None)  # It may have been written: whoever comes next has to read.
            raise JournalUnavailableError(str(error)) from error
        return Entry.model_validate_json(line)

    def forget(self, key: str) -> None:
        """Drop what is remembered of an experiment that does not exist any more."""
        self._open.pop(key, None)

    async def _create(self, where: Key, number: int, first: int, line: str) -> None:
        made = segment(where, number, first, line)
        if len(line) > SEGMENT_BYTES:  # Thousands of decisions: too long as it is.
            made["spec"] = sealed(made["spec"])
        body = await self.client.create(path(PLURAL, where.namespace), made)
        self._open[str(where)] = _Open(body, len(line), first + 1)

    async def _append(self, where: Key, current: _Open, line: str) -> None:
        spec = current.body["spec"]
        changed = {**current.body, "spec": {**spec, "entries": [*spec.get("entries", ()), line]}}
        body = await self._swap(where, current, changed)
        self._open[str(where)] = _Open(body, current.size + len(line), current.next_seq + 1)

    async def _seal(self, where: Key, current: _Open) -> None:
        changed = {**current.body, "spec": sealed(current.body["spec"])}
        current.body = await self._swap(where, current, changed)

    async def _swap(self, where: Key, current: _Open, changed: Object) -> Object:
        """The segment as it is now: what we wrote, under the version that it got."""
        answer = await self.client.swap(self._path(where, current), changed)
        return {**changed, "metadata": answer["metadata"]}

    def _path(self, where: Key, current: _Open) -> str:
        return path(PLURAL, where.namespace, current.body["metadata"]["name"])


def _read(segments: Sequence[Object], after: int) -> tuple[tuple[Entry, ...], int]:
    """The entries above `after`, and how many there are in all."""
    lines = [line for segment in segments for line in entries_of(segment)]
    return tuple(Entry.model_validate_json(line) for line in lines[after:]), len(lines)


def segment(where: Key, number: int, first: int, line: str) -> Object:
    """A new segment with its first entry."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PopulationJournal",
        "metadata": {
            "name": segment_name(where.uid, number),
            "namespace": where.namespace,
            "labels": labels(where),
            "ownerReferences": [owner(where)],
        },
        "spec": {"experiment": where.uid, "segment": number, "first": first, "entries": [line]},
    }


def sealed(spec: Object) -> Object:
    """The spec of a full segment, compressed."""
    lines = "\n".join(spec["entries"])
    packed = base64.b64encode(zlib.compress(lines.encode(), 9)).decode()
    return {**{k: v for k, v in spec.items() if k != "entries"}, "sealed": packed}


def entries_of(segment: Object) -> list[str]:
    """The entries of a segment, sealed or not, as JSON."""
    spec = segment["spec"]
    if spec.get("sealed"):
        return zlib.decompress(base64.b64decode(spec["sealed"])).decode().split("\n")
    return list(spec.get("entries", ()))
