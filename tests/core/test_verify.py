"""A journal is believed only where each decision follows from what was observed."""

from __future__ import annotations

from typing import Any

import pytest

from population_operator.app.simulate import simulate
from population_operator.core.verify import Verdict, verify
from population_operator.model.entry import Decided, Entry, Issued, Reported, SpecObserved
from tests.builders import a_choice, an_experiment
from tests.simulation.programs import Climb

EXPERIMENT = an_experiment().size(4).truncation(0.25).synchronous().steps(2, 12).build()


@pytest.fixture(scope="module")
def journal() -> tuple[Entry, ...]:
    return simulate(EXPERIMENT, Climb())[1]


def tampered(journal: tuple[Entry, ...], half: str, kind: type[Any], change: Any) -> list[Entry]:
    """The journal with its last event of a kind changed."""
    entries = list(journal)
    for index in reversed(range(len(entries))):
        events = list(getattr(entries[index], half))
        for place, event in reversed(list(enumerate(events))):
            if isinstance(event, kind):
                events[place] = change(event)
                entries[index] = entries[index].model_copy(update={half: tuple(events)})
                return entries
    raise AssertionError("no such event")


def reason(verdict: Verdict) -> str:
    assert verdict.divergence is not None
    return verdict.divergence.reason


def test_an_honest_journal(journal: tuple[Entry, ...]) -> None:
    verdict = verify(journal)
    assert (verdict.divergence, verdict.entries) == (None, len(journal))
    assert verdict.state.phase.ended


def test_each_prefix_of_it(journal: tuple[Entry, ...]) -> None:
    for length in range(0, len(journal), 5):
        assert verify(journal[:length]).divergence is None
    assert verify(()).entries == 0


def test_a_changed_value(journal: tuple[Entry, ...]) -> None:
    def change(event: Decided) -> Decided:
        values = {**event.decision.hyperparameters, "lr": 0.123}
        return Decided(decision=event.decision.model_copy(update={"hyperparameters": values}))

    verdict = verify(tampered(journal, "decided", Decided, change))
    assert "0.123" in reason(verdict)
    assert "decided[" in reason(verdict)


def test_an_order_to_a_member_that_is_not_there(journal: tuple[Entry, ...]) -> None:
    """`fold` is total only over what `decide` produces."""

    def change(event: Issued) -> Issued:
        return event.model_copy(update={"member": "m99"})

    assert "m99" in reason(verify(tampered(journal, "decided", Issued, change)))


def test_a_decision_on_a_member_that_nobody_could_name(journal: tuple[Entry, ...]) -> None:
    def change(event: Decided) -> Decided:
        return Decided(decision=event.decision.model_copy(update={"member": "somebody"}))

    assert "somebody" in reason(verify(tampered(journal, "decided", Decided, change)))


def test_what_was_observed_and_cannot_be_replayed(journal: tuple[Entry, ...]) -> None:
    """Another space, under which no decision of the run can be read."""
    other = an_experiment().parameters(a_choice("optimizer", "adam", "sgd")).size(4).build()
    reported = (e for e in journal if any(isinstance(o, Reported) for o in e.observed))
    entry = next(reported)
    place = journal.index(entry)
    observed = (SpecObserved(experiment=other), *entry.observed)
    forged = [*journal[:place], entry.model_copy(update={"observed": observed})]
    assert verify([*forged, *journal[place + 1 :]]).divergence is not None


def test_a_changed_score(journal: tuple[Entry, ...]) -> None:
    """In the last round but one: its best is now its worst, and copies somebody."""
    entries = list(journal)
    rounds = [n for n, e in enumerate(entries) if any(isinstance(d, Decided) for d in e.decided)]
    index = rounds[-1]
    events = list(entries[index].observed)
    scores = {e.report.member: e.report.score for e in events if isinstance(e, Reported)}
    best = max(scores, key=lambda m: scores[m])
    for place, event in enumerate(events):
        if isinstance(event, Reported) and event.report.member == best:
            report = event.report.model_copy(update={"score": -1.0})
            events[place] = event.model_copy(update={"report": report})
    entries[index] = entries[index].model_copy(update={"observed": tuple(events)})
    verdict = verify(entries)
    assert verdict.divergence is not None
    assert verdict.divergence.seq == entries[index].seq
    assert verdict.entries == index


@pytest.mark.parametrize("half", ["observed", "decided"])
def test_half_an_entry(journal: tuple[Entry, ...], half: str) -> None:
    index = next(n for n, e in enumerate(journal) if n > 2 and e.observed and e.decided)
    entries = list(journal)
    entries[index] = entries[index].model_copy(update={half: ()})
    assert verify(entries).divergence is not None


def test_an_entry_that_is_missing_and_one_that_is_empty(journal: tuple[Entry, ...]) -> None:
    assert "does not follow" in reason(verify([*journal[:3], *journal[4:]]))
    empty = Entry(seq=len(journal) + 1, time=journal[-1].time)
    assert verify([*journal, empty]).divergence is not None


def test_a_changed_time_that_matters() -> None:
    """A back-off that was cut short."""
    experiment = an_experiment().size(2).random_search().steps(5, 10).max_duration(10).build()
    _, entries = simulate(experiment, Climb())
    first = entries[0]
    late = [first, *(e.model_copy(update={"time": e.time + 1000}) for e in entries[1:])]
    assert verify(late).divergence is not None
