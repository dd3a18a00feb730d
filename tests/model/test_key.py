"""Random numbers by name: what crashed in between, or came first, makes no difference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from population_operator.model.key import Key
from tests.builders import an_experiment

KEY = Key("seed:7")
NAMES = st.tuples(st.integers(0, 999).map("m{}".format), st.integers(1, 10_000))


def test_the_root_is_the_seed_or_else_the_uid() -> None:
    assert Key.of(an_experiment().seed(7).build()) == KEY
    assert Key.of(an_experiment().seed(0).build()) == Key("seed:0"), "0 is a seed, too"
    unseeded = an_experiment().unseeded()
    assert Key.of(unseeded.named("a", uid="u").build()) == Key.of(
        unseeded.named("b", uid="u").build()
    )
    assert Key.of(unseeded.named("a", uid="u").build()) != Key.of(
        unseeded.named("a", uid="v").build()
    )


def test_these_numbers_are_for_ever() -> None:
    """A new version that draws others could not verify the journals of this one."""
    assert KEY.seed("m0", 1) == 8117278330532632278
    assert KEY.generator("m3", 2, "explore").random() == 0.09058393925812425


@given(NAMES, NAMES)
def test_another_member_or_count_is_another_stream(
    one: tuple[str, int], other: tuple[str, int]
) -> None:
    same = KEY.generator(*one).random() == KEY.generator(*other).random()
    assert same == (one == other)
    assert (KEY.seed(*one) == KEY.seed(*other)) == (one == other)


def test_names_that_run_together_are_kept_apart() -> None:
    """m1 with count 12 is not m11 with count 2."""
    assert KEY.seed("m1", 12) != KEY.seed("m11", 2)
    assert KEY.generator("m1", 1, "2").random() != KEY.generator("m1", 12, "").random()


def test_purposes_are_independent() -> None:
    draws = [KEY.generator("m0", 1, purpose).random(1000) for purpose in ("", "exploit", "explore")]
    correlation = np.corrcoef(draws) - np.eye(3)
    assert np.abs(correlation).max() < 0.12


@given(NAMES)
def test_seeds_fit_where_a_worker_puts_them(name: tuple[str, int]) -> None:
    assert 0 <= KEY.seed(*name) < 2**63
