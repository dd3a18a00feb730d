"""Population based bandits: what an exploit chooses, and what may not make a difference."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from population_operator.algorithms import pb2_batch
from population_operator.algorithms.gaussian_process import Inputs, Posterior
from population_operator.algorithms.pb2 import PopulationBasedBandits
from population_operator.algorithms.start import start
from population_operator.api import PopulationExperiment
from population_operator.app.simulate import Simulation, simulate
from population_operator.core.verify import verify
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import Entry, Phase
from population_operator.model.key import Key
from population_operator.model.space import Hyperparameters, is_active, sample
from population_operator.model.state import State, Transition
from tests.algorithms.fits import counted_fits
from tests.algorithms.spaces import belongs, spaces
from tests.builders import (
    ExperimentBuilder,
    MemberBuilder,
    a_choice,
    a_float,
    a_member,
    a_report,
    a_state,
    an_experiment,
    an_integer,
    when,
)

KEY = Key("seed:7")
PB2 = an_experiment().set("spec.algorithm", {"pb2": {}}).synchronous().steps(100, 4000)
UNIT = PB2.parameters(a_float("x", 0.0, 1.0))


def decide(
    experiment: PopulationExperiment,
    *members: MemberBuilder,
    ready: Sequence[int] | None = None,
    free: int = 0,
    **fields: Any,
) -> tuple[Decision, ...]:
    """The answers; everybody is ready unless said otherwise."""
    state = a_state(experiment, *members, **fields)
    wanted = tuple(state.members) if ready is None else tuple(f"m{i}" for i in ready)
    return PopulationBasedBandits().decide(experiment, state, wanted, free, KEY)


def scored(*values: float, step: int = 1000, **having: Any) -> list[MemberBuilder]:
    hyperparameters = having or {"x": 0.1}
    return [a_member(i).having(**hyperparameters).reported(step, v) for i, v in enumerate(values)]


def history(
    change: Any, *, intervals: int = 10, members: int = 4, noise: float = 0.0, **parameters: Any
) -> tuple[Transition, ...]:
    """Intervals 1 .. n of members with random x in which the score changes by change(x) a step."""
    rng = np.random.default_rng(1)
    found = []
    for index in range(1, intervals + 1):
        for member in range(members):
            x = float(rng.random())
            before = float(rng.normal())
            after = before + 100.0 * (change(x) + noise * float(rng.normal()))
            found.append(Transition(f"m{member}", index, 100, {"x": x}, before, after))
    return tuple(found)


def peak(x: float) -> float:
    return math.exp(-0.5 * ((x - 0.7) / 0.15) ** 2)


# --- what an exploit chooses ---------------------------------------------------------------------


def test_the_loser_copies_and_gets_values_that_promise_most() -> None:
    loser, *others = decide(UNIT.build(), *scored(0.1, 0.9, 0.5, 0.4), transitions=history(peak))
    assert loser.kind is DecisionKind.EXPLOIT
    assert str(loser.source) == "m1/1-1000"
    assert float(loser.hyperparameters["x"]) == pytest.approx(0.7, abs=0.12)
    assert [d.kind for d in others] == [DecisionKind.CONTINUE] * 3
    assert all(d.expected is None for d in others)


def test_it_says_what_it_expects_in_the_scores_unit() -> None:
    loser, *_ = decide(UNIT.build(), *scored(0.1, 0.9, 0.5, 0.4), transitions=history(peak))
    assert loser.expected is not None
    assert loser.expected.mean == pytest.approx(peak(float(loser.hyperparameters["x"])), abs=0.25)
    assert 0.0 < loser.expected.sd < 0.3
    assert loser.expected.rows == 40
    assert loser.reason.startswith(
        "score 0.1 ranks 4th of 4; copies m1 (0.9 at step 1000); expects"
    )
    assert loser.reason.endswith("per step after 40 intervals")


def test_what_is_minimised_is_mirrored() -> None:
    up = decide(UNIT.build(), *scored(0.1, 0.9, 0.5, 0.4), transitions=history(peak))[0]
    mirrored = tuple(replace(t, before=-(t.before or 0.0), after=-t.after) for t in history(peak))
    down = decide(UNIT.minimize().build(), *scored(-0.1, -0.9, -0.5, -0.4), transitions=mirrored)[0]
    assert down.hyperparameters == up.hyperparameters
    assert up.expected and down.expected
    assert down.expected.mean == -up.expected.mean


def test_a_log_scale_is_searched_on_its_own_scale() -> None:
    experiment = PB2.parameters(a_float("lr", 1e-6, 1.0, log=True)).build()
    transitions = tuple(
        replace(t, hyperparameters={"lr": 10 ** (-6 + 6 * float(t.hyperparameters["x"]))})
        for t in history(lambda x: peak(x + 0.4))  # The best is x = 0.3, lr = 10^-4.2.
    )
    loser, *_ = decide(experiment, *scored(0.1, 0.9, lr=0.1), transitions=transitions)
    assert math.log10(float(loser.hyperparameters["lr"])) == pytest.approx(-4.2, abs=0.7)


def test_a_batch_does_not_ask_the_same_twice() -> None:
    experiment = UNIT.set("spec.algorithm.pb2.exploit", {"truncation": {"fraction": 0.5}}).build()
    flat = history(lambda x: 0.0, noise=0.1, intervals=3)
    decisions = decide(experiment, *scored(*range(6)), transitions=flat)
    chosen = sorted(float(d.hyperparameters["x"]) for d in decisions if d.expected)
    assert len(chosen) == 3
    assert min(b - a for a, b in itertools.pairwise(chosen)) > 0.05


def test_the_labels_of_those_who_train_on_never_matter() -> None:
    """Only their values do: they are pending, and lower the variance where they stand."""
    flat = history(lambda x: 0.0, intervals=2)
    experiment = UNIT.asynchronous().build()
    members = [
        a_member(0).having(x=0.5).reported(1000, 0.1),
        a_member(1).having(x=0.5).reported(1000, 0.9),
    ]
    source = a_report(2, 1000, 0.2).ref

    def chosen(score: float | None, *at: float) -> float:
        training = [
            a_member(2 + i).having(x=x).decided(count=2, source=source).with_(score=score)
            for i, x in enumerate(at)
        ]
        answer, *_ = decide(experiment, *members, *training, ready=(0,), transitions=flat)
        assert answer.kind is DecisionKind.EXPLOIT
        return float(answer.hyperparameters["x"])

    assert chosen(0.2, 0.0, 0.0, 0.1, 0.1, 0.2) > 0.5
    assert chosen(0.2, 1.0, 1.0, 0.9, 0.9, 0.8) < 0.5
    assert 0.0 <= chosen(None, 0.3) <= 1.0


def test_hyperparameters_of_the_model_are_fitted_once_for_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = counted_fits(monkeypatch, pb2_batch)
    experiment = UNIT.set("spec.algorithm.pb2.exploit", {"truncation": {"fraction": 0.5}}).build()
    decisions = decide(experiment, *scored(*range(8)), transitions=history(peak))
    assert [d.kind for d in decisions].count(DecisionKind.EXPLOIT) == 4
    assert calls == [40]


def test_what_is_pending_is_not_added_anew_for_each_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[int] = []
    original = Posterior.pending

    def counting(self: Posterior, points: Inputs) -> Posterior:
        added.append(len(points))
        return original(self, points)

    monkeypatch.setattr(Posterior, "pending", counting)
    experiment = UNIT.set("spec.algorithm.pb2.exploit", {"truncation": {"fraction": 0.5}}).build()

    def chosen() -> list[float]:
        added.clear()
        found = decide(experiment, *scored(*range(160)), transitions=history(peak, noise=0.1))
        return [float(d.hyperparameters["x"]) for d in found if d.kind is DecisionKind.EXPLOIT]

    by_blocks, few = chosen(), sum(added)
    monkeypatch.setattr(pb2_batch, "BLOCK", 10_000)
    anew, many = chosen(), sum(added)
    assert len(anew) == 80 and few < many / 3
    assert by_blocks == pytest.approx(anew, abs=1e-3)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_with_too_little_seen_the_values_are_drawn(count: int) -> None:
    loser, _ = decide(UNIT.build(), *scored(0.1, 0.9), transitions=history(peak)[:count])
    assert loser.kind is DecisionKind.EXPLOIT
    assert loser.expected is None
    assert 0.0 <= float(loser.hyperparameters["x"]) <= 1.0
    assert loser.reason.endswith(f"draws its values, as {count} intervals are too few for a model")


def test_the_start_and_baselines_are_as_in_pbt() -> None:
    experiment = UNIT.size(3).build()
    assert decide(experiment, free=3) == start(experiment, State(), 3, KEY)
    worst = a_member(0).having(x=0.1).as_baseline().reported(1000, 0.1)
    first, *_ = decide(experiment, worst, *scored(0.0, 0.9, 0.8)[1:], transitions=history(peak))
    assert first.reason == "a baseline is never changed; it ranks 3rd of 3"


# --- categories, conditions, what is fixed -------------------------------------------------------

MIXED = PB2.parameters(
    a_choice("optimizer", "adam", "sgd"),
    a_float("x", 0.0, 1.0),
    a_float("momentum", 0.0, 0.9, when=when("optimizer", "sgd")),
)


def mixed_history() -> tuple[Transition, ...]:
    """sgd is worth most at x = 0.2, adam a fifth of that at x = 0.9."""
    rng = np.random.default_rng(2)
    found = []
    for index in range(1, 26):
        for member in range(4):
            kind = ("adam", "sgd")[int(rng.integers(2))]
            x, momentum = float(rng.random()), float(rng.uniform(0.0, 0.9))
            at, height = (0.9, 0.2) if kind == "adam" else (0.2, 1.0)
            gain = height * math.exp(-0.5 * ((x - at) / 0.2) ** 2)
            values: dict[str, Any] = {"optimizer": kind, "x": x}
            if kind == "sgd":
                values["momentum"] = momentum
            found.append(Transition(f"m{member}", index, 100, values, 0.0, 100 * gain))
    return tuple(found)


@pytest.mark.parametrize("how", ["mix", "mult", "rand"])
def test_numbers_depend_on_the_category_that_was_drawn(how: str) -> None:
    experiment = MIXED.set("spec.algorithm.pb2.categories", how)
    by_kind: dict[str, list[float]] = {"adam": [], "sgd": []}
    members = scored(0.1, 0.9, 0.5, 0.4, optimizer="adam", x=0.5)
    for count in range(1, 17):
        members[0] = members[0].decided(count=count)
        loser, *_ = decide(experiment.build(), *members, transitions=mixed_history())
        values = loser.hyperparameters
        assert ("momentum" in values) == (values["optimizer"] == "sgd")
        by_kind[str(values["optimizer"])].append(float(values["x"]))
    if how == "rand":
        assert min(map(len, by_kind.values())) >= 3
    else:
        assert len(by_kind["sgd"]) > len(by_kind["adam"])
        assert np.mean(by_kind["sgd"]) == pytest.approx(0.2, abs=0.15)
        assert all(x > 0.6 for x in by_kind["adam"])


def test_what_is_not_mutable_stays_the_donors() -> None:
    experiment = PB2.parameters(
        a_choice("optimizer", "adam", "sgd", mutable=False),
        an_integer("width", 16, 256, log=True, mutable=False),
        a_float("x", 0.0, 1.0),
    ).build()
    loser = a_member(0).having(optimizer="adam", width=16, x=0.1).reported(1000, 0.1)
    donor = a_member(1).having(optimizer="sgd", width=200, x=0.2).reported(1000, 0.9)
    transitions = tuple(
        replace(t, hyperparameters={"optimizer": "sgd", "width": 64, **t.hyperparameters})
        for t in history(peak)
    )
    for seen in (transitions, ()):
        answer, _ = decide(experiment, loser, donor, transitions=seen)
        assert answer.hyperparameters["optimizer"] == "sgd"
        assert answer.hyperparameters["width"] == 200
    assert float(
        decide(experiment, loser, donor, transitions=transitions)[0].hyperparameters["x"]
    ) == (pytest.approx(0.7, abs=0.15))


# --- properties ----------------------------------------------------------------------------------

floats = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0, 1e300])


@given(st.data(), spaces(), st.sampled_from(["mix", "mult", "rand"]), st.integers(0, 1000))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_was_seen_the_answer_lies_in_the_space(
    data: st.DataObject, parameters: tuple[Any, ...], how: str, seed: int
) -> None:
    manifest = UNIT.set("spec.algorithm.pb2.categories", how)
    manifest = manifest.set(
        "spec.parameters",
        [p.model_dump(mode="json", by_alias=True, exclude_none=True) for p in parameters],
    )
    experiment, rng = manifest.build(), Key(f"seed:{seed}").generator("m0", 1)
    space = experiment.spec.parameters
    seen = data.draw(
        st.lists(st.tuples(floats | st.none(), floats, st.integers(1, 6)), max_size=20)
    )
    transitions = tuple(
        Transition(f"m{i % 3}", index, 100, sample(space, rng), before, after)
        for i, (before, after, index) in enumerate(seen)
    )
    values = data.draw(st.lists(floats, min_size=2, max_size=5))
    members = [
        a_member(i).having(**sample(space, rng)).reported(1000, v) for i, v in enumerate(values)
    ]
    for decision in decide(experiment, *members, transitions=transitions):
        chosen = decision.hyperparameters
        assert set(chosen) == {p.name for p in space if is_active(p, space, chosen)}
        assert all(belongs(p, chosen[p.name]) for p in space if p.name in chosen)


@given(st.sampled_from([1e-3, 2.0, 1e4]), st.sampled_from([0.0, -50.0, 1e3]))
@settings(deadline=None, max_examples=9)
def test_the_scores_unit_and_zero_make_no_difference(factor: float, shift: float) -> None:
    seen = history(peak, noise=0.1)
    moved = tuple(
        replace(t, before=factor * (t.before or 0.0) + shift, after=factor * t.after + shift)
        for t in seen
    )
    scores = (0.1, 0.9, 0.5, 0.4)
    one, *_ = decide(UNIT.build(), *scored(*scores), transitions=seen)
    other, *_ = decide(
        UNIT.build(), *scored(*(factor * s + shift for s in scores)), transitions=moved
    )
    assert float(other.hyperparameters["x"]) == pytest.approx(
        float(one.hyperparameters["x"]), abs=2e-3
    )


@given(st.randoms())
@settings(deadline=None, max_examples=10)
def test_the_order_in_which_members_and_intervals_are_named_makes_no_difference(
    rng: random.Random,
) -> None:
    members, seen = scored(0.1, 0.9, 0.5, 0.4), list(history(peak, noise=0.1))
    expected = decide(UNIT.build(), *members, transitions=tuple(seen))
    shuffled, ready = members[:], list(range(4))
    rng.shuffle(shuffled)
    rng.shuffle(ready)
    rng.shuffle(seen)
    assert decide(UNIT.build(), *shuffled, ready=ready, transitions=tuple(seen)) == expected


@pytest.mark.parametrize("change", [lambda x: 0.0, lambda x: 3.0])
def test_constant_rewards_and_duplicates_are_no_obstacle(change: Any) -> None:
    seen = tuple(replace(t, hyperparameters={"x": 0.3}) for t in history(change))
    loser, *_ = decide(UNIT.build(), *scored(0.1, 0.9, 0.5, 0.4), transitions=seen)
    assert loser.kind is DecisionKind.EXPLOIT
    assert loser.expected is not None
    assert loser.expected.mean == pytest.approx(change(0.0), abs=0.5)


# --- whole runs ----------------------------------------------------------------------------------


class Drift:
    """The best x moves from 0.2 to 0.8 in 20 intervals; now and then a run diverges."""

    def start(self, hyperparameters: Hyperparameters, seed: int) -> float:
        return 0.0

    def train(
        self, weights: float, hyperparameters: Hyperparameters, step: int, until: int, seed: int
    ) -> tuple[float, float]:
        x, noise = float(hyperparameters["x"]), np.random.default_rng(seed)
        if x > 0.95:
            return weights, math.nan
        at = 0.2 + 0.6 * until / 2000
        gain = math.exp(-0.5 * ((x - at) / 0.2) ** 2) + 0.05 * float(noise.normal())
        return weights + gain, weights + gain


def a_run(manifest: ExperimentBuilder = UNIT) -> ExperimentBuilder:
    return manifest.size(4).steps(100, 2000)


@pytest.mark.parametrize("synchronous", [True, False])
def test_an_experiment_completes_and_its_journal_verifies(synchronous: bool) -> None:
    experiment = a_run().set("spec.schedule.synchronous", synchronous).build()
    state, entries = simulate(
        experiment, Drift(), seconds_per_step={"w0": 0.01, "w1": 0.013, "w2": 0.008, "w3": 0.01}
    )
    assert state.phase is Phase.COMPLETE
    assert state.exploits >= 10
    assert verify(entries).divergence is None
    as_text = [Entry.model_validate_json(entry.model_dump_json()) for entry in entries]
    assert verify(as_text).divergence is None


def test_a_crash_between_any_two_passes_changes_no_decision() -> None:
    async def run(crash_every: int) -> list[Decision]:
        simulation = Simulation.of(a_run().build(), Drift(), as_text=True)
        passes = 0
        while await simulation.step():
            passes += 1
            if crash_every and passes % crash_every == 0:
                simulation.crash()
        return [
            event.decision
            for entry in await simulation.entries()
            for event in entry.decided
            if event.kind == "decision"
        ]

    undisturbed = asyncio.run(run(0))
    assert len(undisturbed) == 80
    assert asyncio.run(run(3)) == undisturbed
