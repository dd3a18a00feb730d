"""`decide` as a function: the same answer to the same question, and then nothing to do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from population_operator.core.decide import decide
from population_operator.core.fold import fold
from population_operator.core.observation import Observation, PresentWorker
from population_operator.model.entry import Entry
from population_operator.model.state import State
from tests.builders import an_experiment
from tests.core.story import running

EXPERIMENT = an_experiment().size(3).synchronous().steps(10, 30).truncation(0.34)


def test_nothing_is_decided_before_there_is_an_experiment() -> None:
    entry = decide(State(), Observation(EXPERIMENT.build()), 5.0)
    assert entry is not None
    assert (entry.seq, entry.time, entry.observed[0].kind) == (1, 5.0, "spec")


@settings(max_examples=30, deadline=None)
@given(
    scores=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=3),
    present=st.sets(st.sampled_from(["w0", "w1", "w2"])),
    seconds=st.floats(0, 1e6),
)
def test_the_same_question_gets_the_same_answer_and_then_there_is_nothing_to_do(
    scores: list[float], present: set[str], seconds: float
) -> None:
    story = running(EXPERIMENT.straggler_timeout(100).max_duration(5000))
    world = Observation(
        EXPERIMENT.straggler_timeout(100).max_duration(5000).build(),
        present=tuple(PresentWorker(w, 1, f"{w}-1") for w in sorted(present)),
        events=tuple(story.reported(f"w{n}", s) for n, s in enumerate(scores)),
    )
    state, now = story.state, story.now + seconds
    for _ in range(20):
        entry = decide(state, world, now)
        again = decide(state, world, now)
        if entry is None:
            assert again is None
            return
        assert again is not None
        assert again.model_dump_json() == entry.model_dump_json()
        read = Entry.model_validate_json(entry.model_dump_json())
        state = fold(state, read)
    raise AssertionError("it never comes to rest")
