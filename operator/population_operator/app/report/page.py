"""What the page says, before it is HTML."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from population_operator.api import Goal
from population_operator.app import words
from population_operator.app.report.cast import COLORS, Cast
from population_operator.app.report.families import families
from population_operator.app.report.figure import Figure
from population_operator.app.report.pays import Comparison, comparison
from population_operator.app.report.promises import Promises, promises
from population_operator.app.report.reproduce import Recipe, recipe
from population_operator.app.report.rungs import Rungs, rungs
from population_operator.app.report.schedules import schedules
from population_operator.app.report.scores import scores
from population_operator.app.report.tables import (
    Cell,
    DecisionRow,
    IncidentRow,
    MemberRow,
    decision_rows,
    incident_rows,
    member_rows,
)
from population_operator.core.history import History
from population_operator.core.lineage import best_lineage, merged, schedule_of
from population_operator.model.entry import Phase
from population_operator.model.state import Member, State

MAX_SCHEDULE = 40


@dataclass(frozen=True)
class Fact:
    """A number of the headline."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Stop:
    """A stretch of the winner's lineage, for the ribbon under the headline."""

    member: str
    from_step: int
    to_step: int
    color: str


@dataclass(frozen=True)
class Page:
    """Everything that the template shows; it computes nothing."""

    name: str
    phase: Phase
    why: str
    eyebrow: str
    story: str
    facts: tuple[Fact, ...]
    route: tuple[Stop, ...]
    metric: str
    goal: Goal
    has_reports: bool
    rungs: Rungs | None
    scores: Figure
    remarks: tuple[str, ...]
    schedules: tuple[Figure, ...]
    parameters: tuple[str, ...]
    schedule: tuple[tuple[int, tuple[Cell, ...], tuple[bool, ...]], ...]
    schedule_left: int
    promises: Promises | None
    families: Figure
    drawn: tuple[str, ...]
    hidden: int
    copies: int
    founders: tuple[tuple[str, str], ...]
    founders_left: int
    pays: Comparison | None
    baselines: int
    members: tuple[MemberRow, ...]
    decisions: tuple[DecisionRow, ...]
    decisions_left: str
    kinds: tuple[tuple[str, int], ...]
    incidents: tuple[IncidentRow, ...]
    incidents_left: int
    recipe: Recipe
    made: str

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All that plotly.js draws."""
        if not self.has_reports:
            return ()
        pays = (self.pays.figure,) if self.pays else ()
        rungs = (self.rungs.figure,) if self.rungs else ()
        promised = (self.promises.figure,) if self.promises else ()
        return (*rungs, self.scores, *self.schedules, *promised, self.families, *pays)


def page_of(history: History, made: float) -> Page:
    """The page about a run so far; `made` is now, in seconds since the epoch."""
    state, cast = history.state, Cast.of(history)
    spec = state.spec.spec
    drawn = scores(cast)
    decided, left = decision_rows(cast)
    incidents, older = incident_rows(history)
    names = tuple(parameter.name for parameter in spec.parameters)
    table = _schedule(history, names)
    kinds = sorted({row.kind for row in decided}, key=lambda kind: (kind == "continue", kind))
    return Page(
        name=state.spec.metadata.name,
        phase=state.phase,
        why=words.one_line(state.phase_message) or state.phase_reason,
        eyebrow=_eyebrow(history),
        story=_story(history),
        facts=_facts(history),
        route=_route(history, cast),
        metric=spec.objective.metric,
        goal=spec.objective.goal,
        has_reports=bool(history.reports),
        rungs=rungs(history),
        scores=drawn.figure,
        remarks=drawn.remarks,
        schedules=schedules(cast),
        parameters=names,
        schedule=table[:MAX_SCHEDULE],
        schedule_left=max(len(table) - MAX_SCHEDULE, 0),
        promises=promises(cast),
        families=families(cast),
        drawn=tuple(member.name for member in cast.drawn),
        hidden=cast.hidden,
        copies=sum(taken.donor is not None for taken in history.decisions),
        founders=tuple(cast.families.items())[:COLORS],
        founders_left=max(len(cast.families) - COLORS, 0),
        pays=comparison(history),
        baselines=spec.population.baselines,
        members=member_rows(cast),
        decisions=decided,
        decisions_left=left,
        kinds=tuple((kind, sum(row.kind == kind for row in decided)) for kind in kinds),
        incidents=incidents,
        incidents_left=older,
        recipe=recipe(history.specs[0].experiment if history.specs else state.spec),
        made=datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _eyebrow(history: History) -> str:
    spec = history.state.spec.spec
    size, workers = spec.population.members, spec.population.workers
    if spec.algorithm.trials:
        size = len(history.state.members)
    noun = "trial" if spec.algorithm.trials else "member"
    said = f"{spec.algorithm.name} · {words.plural(size, noun)}"
    if workers != size:
        said += f" on {words.plural(workers, 'worker')}"
    if spec.algorithm.trials:  # none of them waits for a round
        return said
    mode = "synchronous" if spec.schedule.synchronous else "asynchronous"
    return f"{said} · {mode}"


def _story(history: History) -> str:
    """The run in two sentences."""
    state, spec = history.state, history.state.spec.spec
    best, metric = state.best, spec.objective.metric
    if best is None:
        if not history.reports:
            return "No member has reported anything."
        return f"No member has ever reported a finite {metric}."
    said = f"{best.member} reached {metric} {words.number(best.score)} at step {best.step}."
    if state.members[best.member].trial:
        return f"{said} {_trial(state.members[best.member], state)}."
    segments = best_lineage(history)
    path = [s.member for i, s in enumerate(segments) if not i or s.member != segments[i - 1].member]
    if len(path) == 2:
        said += f" Its weights began in {path[0]} and were copied once"
    elif len(path) > 2:
        said += f" Its weights began in {path[0]} and were copied {len(path) - 1} times"
        said += f", by way of {words.plural(len(set(path)), 'member')}"
    elif path:
        said += " Its weights were never copied from another member"
    changes = len(schedule_of(segments)) - 1
    if changes > 0:
        often = "once" if changes == 1 else f"{changes} times"
        said += f"; the hyperparameters changed {often} on the way"
    return f"{said}."


def _trial(member: Member, state: State) -> str:
    """How far a trial came, of how many."""
    came = words.plural(len(member.rungs), "rung")
    full = state.spec.spec.schedule.max_steps
    reached = sum(m.step >= full for m in state.members.values())
    said = f"It is one of {words.plural(len(state.members), 'trial')}"
    said += f", of which {reached} came to step {full}"
    return f"{said}; it passed {came}" if member.rungs else said


def _facts(history: History) -> tuple[Fact, ...]:
    state, spec = history.state, history.state.spec.spec
    best = state.best
    goal = "maximized" if spec.objective.goal is Goal.MAXIMIZE else "minimized"
    top = words.number(best.score if best else None)
    facts = [Fact(f"best {spec.objective.metric}", top, goal)]
    if best is not None:
        shown = [n for n in spec.objective.report if n in best.metrics] or list(best.metrics)[:2]
        facts += [Fact(n, words.number(best.metrics[n]), "only reported") for n in shown[:4]]
    trained = max((m.step for m in state.members.values()), default=0)
    facts.append(Fact("steps", f"{trained:,}", f"of {spec.schedule.max_steps:,}"))
    if not spec.algorithm.trials and spec.algorithm.random is None:
        decisions = words.plural(state.decisions, "decision")
        facts.append(Fact("exploits", f"{state.exploits:,}", f"in {decisions}"))
    facts.append(Fact("wall time", words.duration(_elapsed(history)), _worked(history)))
    return tuple(facts)


def _elapsed(history: History) -> float:
    state = history.state
    if not state.started_at:
        return 0.0
    return (state.ended_at or state.time) - state.started_at


def _worked(history: History) -> str:
    """Time that was spent suspended does not count as work."""
    idle = _elapsed(history) - history.state.active
    return f"{words.duration(idle)} of it suspended" if idle > 1 else ""


def _route(history: History, cast: Cast) -> tuple[Stop, ...]:
    """The winner's lineage by member, for a strip of its own."""
    stops: list[Stop] = []
    owner = {r.decision.id: b for b in cast.branches for r in b.reports}
    for segment in merged(best_lineage(history)):
        branch = owner.get(segment.decision)
        color = cast.families.get(branch.founder, "var(--rest)") if branch else "var(--rest)"
        if stops and stops[-1].member == segment.member:
            start = stops.pop().from_step
            stops.append(Stop(segment.member, start, segment.to_step, color))
        else:
            stops.append(Stop(segment.member, segment.from_step, segment.to_step, color))
    return tuple(stops)


def _schedule(
    history: History, names: tuple[str, ...]
) -> tuple[tuple[int, tuple[Cell, ...], tuple[bool, ...]], ...]:
    """The winner's schedule as rows, and which cells are not what they were the row before."""
    rows = []
    before: tuple[Cell, ...] = ()
    for step, values in schedule_of(best_lineage(history)):
        cells = tuple(Cell(words.setting(values.get(n), 4), 0.0) for n in names)
        changed = tuple(not before or cell != before[i] for i, cell in enumerate(cells))
        rows.append((step, cells, changed))
        before = cells
    return tuple(rows)
