"""Entries with everything in them that a journal has to bring back unharmed."""

from __future__ import annotations

import math

from population_operator.model.decision import Decision, DecisionKind, Forget
from population_operator.model.entry import (
    Cause,
    Decided,
    Entry,
    Forgotten,
    Issued,
    MemberFailed,
    Phase,
    PhaseChanged,
    Reported,
    RestoreFailed,
    SpecObserved,
    Troubled,
    WorkerGone,
    WorkerOpened,
    WorkerSeen,
)
from population_operator.model.report import CheckpointRef, Report
from tests.builders import a_choice, a_float, an_experiment, an_integer


def plain(seq: int, detail: str = "") -> Entry:
    """The smallest entry that says something."""
    gone = WorkerGone(worker="w0", incarnation=1, cause=Cause.VANISHED, detail=detail)
    return Entry(seq=seq, time=1000.0 + seq, observed=(gone,))


def many_decisions(seq: int, count: int) -> Entry:
    """What a rung with so many trials becomes."""
    decisions = (
        Decision(
            member=f"m{i}",
            count=2,
            kind=DecisionKind.PROMOTE if i % 3 == 0 else DecisionKind.STOP,
            hyperparameters={"lr": math.sqrt(i + 0.5) / 100, "momentum": math.sin(i)},
            source=CheckpointRef(member=f"m{i}", directive=i + 17, step=9),
            at_step=9,
            reason=f"score {math.cos(i):.4g} ranks {count - i} of {count} on rung 0; it ends",
            bracket=0,
            rung=0,
        )
        for i in range(count)
    )
    decided = tuple(Decided(decision=one) for one in decisions)
    return Entry(seq=seq, time=1000.0 + seq, decided=decided)


def rich(seq: int) -> Entry:
    """Every kind of value: nested models, durations, text in all alphabets, numbers of each type.

    1.0 is a float and 64 an integer, and they have to come back as such.
    """
    experiment = (
        an_experiment()
        .parameters(
            a_float("lr", 1e-4, 1.0, log=True),
            an_integer("batch", 16, 512),
            a_choice("width", "64", "128", type="integer"),
            a_choice("nesterov", "true", "false", type="boolean"),
            a_choice("name", "é ∞ 学 \u2028 \\ \" '", "b"),
        )
        .straggler_timeout(90.5)
        .build()
    )
    ref = CheckpointRef(member="m3", directive=2**40, step=2**53 - 1)
    report = Report(
        directive=3,
        member="m0",
        step=100,
        score=0.1 + 0.2,
        samples=(1.0, 5e-324, 1.7976931348623157e308, -0.0),
        metrics={"accuracy": 1.0, "loss": 1e-7},
        hyperparameters={"lr": 1.0, "batch": 64, "nesterov": True, "name": "é\nline\t\x1f"},
        checkpoint=False,
        seconds={"train": 1.25},
    )
    decision = Decision(
        member="m0",
        count=2,
        kind=DecisionKind.EXPLOIT,
        hyperparameters={"lr": 1.0, "batch": 64, "width": 128, "nesterov": False, "name": "b"},
        source=ref,
        at_step=100,
        reason="worse than\nm3",
    )
    at = {"worker": "w0", "incarnation": 1}
    return Entry(
        seq=seq,
        time=1_700_000_000.123456,
        observed=(
            SpecObserved(experiment=experiment),
            WorkerSeen(**at, uid="u", started=True),
            Reported(**at, cursor=1, report=report),
            Forgotten(**at, cursor=2, forgotten=(Forget(member="m0", directive=1, keep=(3,)),)),
            RestoreFailed(**at, cursor=3, directive=3, member="m0", checkpoint=ref, reason="x"),
            Troubled(**at, cursor=4, member="m0", reason="no space"),
        ),
        decided=(
            PhaseChanged(phase=Phase.RUNNING, reason="Started"),
            MemberFailed(member="m0", cause=Cause.EXITED, detail="", not_before=math.inf),
            Decided(decision=decision),
            WorkerOpened(worker="w0", incarnation=2),
            Issued(worker="w0", incarnation=2, member="m0"),
        ),
    )


def not_finite(seq: int) -> Entry:
    """Scores that JSON has no word for."""
    reports = [
        Report(
            directive=1,
            member=f"m{index}",
            step=1,
            score=score,
            samples=(score, 1.0),
            metrics={"loss": score},
        )
        for index, score in enumerate((math.nan, math.inf, -math.inf))
    ]
    return Entry(
        seq=seq,
        time=1.0,
        observed=tuple(
            Reported(worker="w0", incarnation=1, cursor=cursor, report=report)
            for cursor, report in enumerate(reports, 1)
        ),
    )


def large(seq: int, size: int = 300_000) -> Entry:
    """An entry larger than a segment of any journal, of text that does not compress to nothing."""
    words = [f"{(index * 2654435761) % 2**32:08x}" for index in range(size // 8)]
    return plain(seq, detail="".join(words))
