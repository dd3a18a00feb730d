"""A journal that is read while the operator has other things to do."""

from __future__ import annotations

from typing import Any

from population_operator.adapters.kubernetes.journal import KubernetesJournal, sealed, segment
from population_operator.adapters.kubernetes.names import Key
from tests.conformance.loop import in_a_loop, ticking
from tests.journals import Remembers, a_run, small

KEY = Key("default", "digits", "u1")
ENTRIES = a_run(small(), Remembers()).entries


class Server:
    """Two segments, the first of them sealed."""

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        items = []
        for number, part in enumerate((ENTRIES[:5], ENTRIES[5:])):
            made = segment(KEY, number, part[0].seq, "")
            made["spec"]["entries"] = [entry.model_dump_json() for entry in part]
            items.append(made)
        items[0]["spec"] = sealed(items[0]["spec"])
        return {"items": items}


@in_a_loop
async def test_reading_a_journal_leaves_the_loop_free() -> None:
    """A long one takes longer than the Lease lasts."""
    journal = KubernetesJournal(Server())  # type: ignore[arg-type]
    with ticking() as ticks:
        assert await journal.load(str(KEY)) == ENTRIES
        assert ticks
    assert await journal.load(str(KEY), after=7) == ENTRIES[7:]
