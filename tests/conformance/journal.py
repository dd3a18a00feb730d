"""What every journal does. An adapter's test gives `storage`, and inherits the rest."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from population_operator.model.entry import Entry, Reported, SpecObserved
from population_operator.ports import ConflictError, Journal
from tests.conformance.entries import large, many_decisions, not_finite, plain, rich
from tests.conformance.loop import in_a_loop

KEY = "default/experiment"


class Storage(Protocol):
    """Where journals lie. Adapters come and go; what they wrote stays."""

    key: str
    """Of an experiment that exists there, and has no journal yet."""
    shared: bool
    """Whether two adapters may be open at once (else the second one is kept out: see its tests)."""

    async def open(self) -> Journal:
        """A new adapter on the same place, which knows nothing but what lies there."""
        ...

    async def close(self, journal: Journal) -> None:
        """As a crash does: nothing is flushed or finished."""
        ...


@asynccontextmanager
async def opened(storage: Storage) -> AsyncIterator[Journal]:
    journal = await storage.open()
    try:
        yield journal
    finally:
        await storage.close(journal)


class JournalConformance:
    """Inherit, and give a fixture `storage`."""

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError

    @in_a_loop
    async def test_a_new_journal_is_empty(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            assert await journal.load(storage.key) == ()

    @in_a_loop
    async def test_entries_come_back_in_order(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            for seq in range(1, 30):
                await journal.append(storage.key, plain(seq))
            assert [e.seq for e in await journal.load(storage.key)] == list(range(1, 30))

    @in_a_loop
    async def test_thousands_of_decisions_are_one_entry(self, storage: Storage) -> None:
        """A rung of 5000 trials is decided at once."""
        huge = many_decisions(2, 5000)
        assert len(huge.model_dump_json()) > 1_500_000
        async with opened(storage) as journal:
            for entry in (plain(1), huge, plain(3)):
                await journal.append(storage.key, entry)
        async with opened(storage) as journal:
            assert await journal.load(storage.key) == (plain(1), huge, plain(3))
            await journal.append(storage.key, plain(4))
            assert [e.seq for e in await journal.load(storage.key)] == [1, 2, 3, 4]

    @in_a_loop
    async def test_load_after_leaves_out_what_is_known(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            for seq in range(1, 6):
                await journal.append(storage.key, plain(seq))
            assert [e.seq for e in await journal.load(storage.key, after=3)] == [4, 5]
            assert await journal.load(storage.key, after=5) == ()
            assert await journal.load(storage.key, after=99) == ()

    @in_a_loop
    @pytest.mark.parametrize("seq", [0, 2, 3, 5, 99, -1])
    async def test_what_does_not_follow_is_refused(self, storage: Storage, seq: int) -> None:
        async with opened(storage) as journal:
            for known in (1, 2, 3):
                await journal.append(storage.key, plain(known))
            with pytest.raises(ConflictError):
                await journal.append(storage.key, plain(seq))
            assert [e.seq for e in await journal.load(storage.key)] == [1, 2, 3]
            await journal.append(storage.key, plain(4))

    @in_a_loop
    async def test_the_first_entry_is_number_one(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            with pytest.raises(ConflictError):
                await journal.append(storage.key, plain(2))
            assert await journal.load(storage.key) == ()

    @in_a_loop
    async def test_what_was_appended_survives_the_writer(self, storage: Storage) -> None:
        for seq in range(1, 6):
            async with opened(storage) as journal:
                if seq > 1:
                    await journal.load(storage.key)
                await journal.append(storage.key, plain(seq, detail=f"writer {seq}"))
        async with opened(storage) as journal:
            entries = await journal.load(storage.key)
        assert [e.observed[0].detail for e in entries] == [f"writer {s}" for s in range(1, 6)]

    @in_a_loop
    async def test_a_writer_that_has_not_read_destroys_nothing(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            for seq in (1, 2, 3):
                await journal.append(storage.key, plain(seq))
        async with opened(storage) as journal:
            with pytest.raises(ConflictError):
                await journal.append(storage.key, plain(1, detail="begins again"))
            await journal.append(storage.key, plain(4))
            assert await journal.load(storage.key) == (plain(1), plain(2), plain(3), plain(4))

    @in_a_loop
    async def test_of_two_writers_one_wins(self, storage: Storage) -> None:
        if not storage.shared:
            return  # The second is refused at the door: a test of that adapter.
        async with opened(storage) as one, opened(storage) as other:
            await one.append(storage.key, plain(1))
            await one.load(storage.key)
            await other.load(storage.key)
            await other.append(storage.key, plain(2, detail="other"))
            with pytest.raises(ConflictError):
                await one.append(storage.key, plain(2, detail="one"))
            entries = await one.load(storage.key)
            assert entries == (plain(1), plain(2, detail="other"))
            await one.append(storage.key, plain(3))

    @in_a_loop
    async def test_of_simultaneous_appends_one_wins(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            await journal.append(storage.key, plain(1))
            answers = await asyncio.gather(
                *(journal.append(storage.key, plain(2, detail=str(n))) for n in range(5)),
                return_exceptions=True,
            )
            won = [a for a in answers if isinstance(a, Entry)]
            assert len(won) == 1
            assert all(isinstance(a, ConflictError) for a in answers if a is not won[0])
            assert await journal.load(storage.key) == (plain(1), won[0])

    @in_a_loop
    async def test_values_come_back_equal_and_of_their_type(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            answer = await journal.append(storage.key, rich(1))
        async with opened(storage) as journal:
            (entry,) = await journal.load(storage.key)
        for read in (answer, entry):
            assert read == rich(1)
            spec, _, reported = read.observed[:3]
            assert isinstance(spec, SpecObserved)
            assert isinstance(reported, Reported)
            assert isinstance(reported.report.metrics["accuracy"], float)
            assert all(isinstance(sample, float) for sample in reported.report.samples)
            assert math.copysign(1.0, reported.report.samples[3]) == -1.0
            assert reported.report.score == 0.1 + 0.2
            assert reported.report.hyperparameters["nesterov"] is True

    @in_a_loop
    async def test_the_answer_is_what_will_be_read(self, storage: Storage) -> None:
        """The writer must fold what every later reader folds, to the last type of a number."""
        async with opened(storage) as journal:
            answers = [
                await journal.append(storage.key, rich(1)),
                await journal.append(storage.key, not_finite(2)),
            ]
        async with opened(storage) as journal:
            read = await journal.load(storage.key)
        assert [repr(a) for a in answers] == [repr(r) for r in read]

    @in_a_loop
    async def test_numbers_that_are_not_finite_come_back(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            await journal.append(storage.key, not_finite(1))
        async with opened(storage) as journal:
            (entry,) = await journal.load(storage.key)
        scores = [e.report.score for e in entry.observed if isinstance(e, Reported)]
        assert math.isnan(scores[0])
        assert scores[1:] == [math.inf, -math.inf]
        samples = [e.report.samples[0] for e in entry.observed if isinstance(e, Reported)]
        assert samples[1:] == [math.inf, -math.inf]

    @in_a_loop
    async def test_large_entries_and_many_of_them(self, storage: Storage) -> None:
        expected = []
        async with opened(storage) as journal:
            for seq in range(1, 8):
                expected.append(large(seq) if seq % 3 == 0 else plain(seq))
                await journal.append(storage.key, expected[-1])
        async with opened(storage) as journal:
            assert await journal.load(storage.key) == tuple(expected)
            await journal.append(storage.key, plain(8))

    @in_a_loop
    async def test_a_refused_entry_leaves_no_trace(self, storage: Storage) -> None:
        async with opened(storage) as journal:
            await journal.append(storage.key, plain(1))
            with pytest.raises(ConflictError):
                await journal.append(storage.key, large(3))
        async with opened(storage) as journal:
            assert await journal.load(storage.key) == (plain(1),)
            await journal.append(storage.key, plain(2))
            assert await journal.load(storage.key) == (plain(1), plain(2))
