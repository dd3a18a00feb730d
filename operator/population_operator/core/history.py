"""What happened, for people: a fold over a journal's entries that forgets nothing.

`State` is bounded and keeps what decisions need; a `History` keeps every accepted report, every
decision and every incident, and grows with the run. It is fed entry by entry, so that a live view
and a report written afterwards are the same thing. Whether a report was accepted is not judged
here: the fold is applied event by event, and says so by counting it.

Who descends from whom is in `core/lineage.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from population_operator.api import PopulationExperiment, Value
from population_operator.core import incidents
from population_operator.core.fold import Draft, JournalGapError, apply, must_be_next
from population_operator.core.incidents import REPLACEMENTS, Incident, IncidentKind
from population_operator.model.decision import Decision, DecisionKind
from population_operator.model.entry import (
    Decided,
    Entry,
    Follows,
    Issued,
    Observed,
    Phase,
    PhaseChanged,
    Reported,
    SpecObserved,
)
from population_operator.model.report import Report
from population_operator.model.state import State

MOVES = (DecisionKind.EXPLOIT, *REPLACEMENTS)
"""The decisions that put a member on other weights than it would have had by going on."""


@dataclass(frozen=True)
class AcceptedReport:
    """A report that the fold accepted; `decision` is the one that the member trained under."""

    seq: int
    time: float
    worker: str
    decision: Decision
    report: Report


Change = tuple[Value | None, Value | None]
"""A hyperparameter's old and new value; none where it was not active."""


@dataclass(frozen=True)
class DecisionTaken:
    """A decision; `before` is what the member trained under, none at its start.

    `copied` is what the weights that it continues from were trained under: the donor's values, from
    which explore went on.
    """

    seq: int
    time: float
    decision: Decision
    before: Mapping[str, Value] | None = None
    copied: Mapping[str, Value] | None = None

    @property
    def moved(self) -> bool:
        """Whether the member went on from other weights than its own newest ones."""
        return self.decision.kind in MOVES

    @property
    def donor(self) -> str | None:
        """The other member whose weights were copied."""
        source = self.decision.source
        return source.member if source and source.member != self.decision.member else None

    @property
    def changes(self) -> dict[str, Change]:
        """The hyperparameters that are not what the member had."""
        return _changes(self.before or {}, self.decision.hyperparameters)

    @property
    def explored(self) -> dict[str, Change]:
        """The hyperparameters that are not what the weights were trained under."""
        return _changes(self.copied or {}, self.decision.hyperparameters)


def _changes(old: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, Change]:
    names = [*new, *(name for name in old if name not in new)]
    return {n: (old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)}


@dataclass(frozen=True)
class PhaseEntered:
    seq: int
    time: float
    phase: Phase
    reason: str
    message: str


@dataclass(frozen=True)
class SpecChanged:
    """The manifest as it was from here on. The first is what the run began with."""

    seq: int
    time: float
    experiment: PopulationExperiment


Happening = AcceptedReport | DecisionTaken | Incident | PhaseEntered | SpecChanged
"""Anything worth telling somebody."""


@dataclass
class History:
    """Everything that happened so far, each list in the journal's order.

    `by_member` has the reports of each member, `moves` its last move. `issued` has the decision
    that each directive was issued for, by (member, directive): with it a checkpoint's name leads
    to its decision. `happenings` has all of it in one sequence.
    """

    state: State = field(default_factory=State)
    reports: list[AcceptedReport] = field(default_factory=list)
    by_member: dict[str, list[AcceptedReport]] = field(default_factory=dict)
    decisions: list[DecisionTaken] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    phases: list[PhaseEntered] = field(default_factory=list)
    specs: list[SpecChanged] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    moves: dict[str, DecisionTaken] = field(default_factory=dict)
    issued: dict[tuple[str, int], Decision] = field(default_factory=dict)

    def add(self, entry: Entry) -> tuple[Happening, ...]:
        """Take in the next entry; returns what is worth telling of it.

        Raises:
          JournalGapError: the entry's number is not the next one, or it names what is not there.
        """
        must_be_next(self.state, entry)
        seen, draft = len(self.happenings), Draft(self.state, entry.time)
        try:
            self._take(draft, entry)
        except (LookupError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            told = f"entry {entry.seq} does not follow entry {self.state.seq} ({why})"
            raise JournalGapError(told) from error
        self.state = draft.freeze()
        return tuple(self.happenings[seen:])

    def _take(self, draft: Draft, entry: Entry) -> None:
        for event in entry.observed:
            self._observe(draft, event)
        draft.mark()
        for consequence in entry.decided:
            self._follow(draft, consequence)

    def _observe(self, draft: Draft, event: Observed) -> None:
        before = draft.state
        incident = incidents.in_observed(draft, event)
        apply(draft, event)
        if incident is not None:
            self._incident(incident)
        if isinstance(event, SpecObserved):
            changed = SpecChanged(before.seq, draft.now, event.experiment)
            self.specs.append(changed)
            self.happenings.append(changed)
        elif isinstance(event, Reported) and draft.state.reports > before.reports:
            self._accepted(draft, event)

    def _accepted(self, draft: Draft, event: Reported) -> None:
        report = event.report
        decision = draft.members[report.member].decision
        accepted = AcceptedReport(draft.state.seq, draft.now, event.worker, decision, report)
        self.reports.append(accepted)
        self.by_member.setdefault(report.member, []).append(accepted)
        self.happenings.append(accepted)
        if not report.finite:
            self._incident(incidents.not_finite(draft, event))

    def _follow(self, draft: Draft, event: Follows) -> None:
        seq, now = draft.state.seq, draft.now
        if isinstance(event, Decided):
            self._decided(draft, event.decision)
        incident = incidents.in_consequence(draft, event)
        apply(draft, event)
        if incident is not None:
            self._incident(self._with_cause(incident) if incident.charged else incident)
        if isinstance(event, Issued):
            self.issued[event.member, seq] = draft.members[event.member].decision
        elif isinstance(event, PhaseChanged):
            entered = PhaseEntered(seq, now, event.phase, event.reason, event.message)
            self.phases.append(entered)
            self.happenings.append(entered)

    def _decided(self, draft: Draft, decision: Decision) -> None:
        known = draft.members.get(decision.member)
        before = known.decision.hyperparameters if known else None
        source = decision.source
        origin = self.issued.get((source.member, source.directive)) if source else None
        copied = origin.hyperparameters if origin else None
        taken = DecisionTaken(draft.state.seq, draft.now, decision, before, copied)
        self.decisions.append(taken)
        if taken.moved:
            self.moves[decision.member] = taken
        self.happenings.append(taken)

    def _with_cause(self, failure: Incident) -> Incident:
        """A failure together with what caused it in the same entry: one incident, not two."""
        for place in reversed(range(len(self.incidents))):
            cause = self.incidents[place]
            if cause.seq != failure.seq:
                break
            if cause.causes(failure):
                del self.incidents[place]
                self.happenings.remove(cause)
                straggled = cause.kind is IncidentKind.STRAGGLED
                kind = cause.kind if straggled else failure.kind
                return replace(failure, kind=kind, worker=cause.worker)
        return failure

    def _incident(self, incident: Incident) -> None:
        self.incidents.append(incident)
        self.happenings.append(incident)


def history(entries: Iterable[Entry]) -> History:
    """The history of a whole journal."""
    found = History()
    for entry in entries:
        found.add(entry)
    return found
