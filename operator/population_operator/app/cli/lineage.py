"""`population lineage`: the family tree of a population."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from population_operator.app import words
from population_operator.app.cli.errors import COMPLETE, UserError
from population_operator.app.cli.source import Run
from population_operator.core.history import History
from population_operator.core.lineage import Branch, best_lineage, branches


def lineage(run: Run, everything: bool) -> int:
    """Print who descends from whom; what left no trace at the end only with `everything`."""
    history = run.history()
    if not history.decisions:
        raise UserError(f"{run.name}: nobody has started yet")
    Console().print(tree_of(history, everything))
    return COMPLETE


def tree_of(history: History, everything: bool) -> Tree:
    """A tree with one node for each stretch between two copies."""
    found = branches(history)
    winners = {segment.decision for segment in best_lineage(history)}
    path = {b.id for b in found if any(r.decision.id in winners for r in b.reports)}
    kept = {b.id for b in found} if everything else _alive(found) | path
    root = Tree(_title(history, len(found) - len(kept)), guide_style="dim")
    nodes: dict[str, Tree] = {}
    for branch in found:
        if branch.id not in kept:
            continue
        parent = nodes.get(branch.parent or "", root)
        nodes[branch.id] = parent.add(_label(branch, branch.id in path))
    return root


def _alive(found: tuple[Branch, ...]) -> set[str]:
    """The branches that members stand on, and all before them."""
    by_id: Mapping[str, Branch] = {branch.id: branch for branch in found}
    kept: set[str] = set()
    for branch in found:
        at: Branch | None = branch if branch.ends_by is None else None
        while at is not None and at.id not in kept:
            kept.add(at.id)
            at = by_id.get(at.parent) if at.parent else None
    return kept


def _title(history: History, hidden: int) -> Text:
    state = history.state
    title = Text(state.spec.metadata.name, style="bold")
    noun = "trial" if state.spec.spec.algorithm.trials else "member"
    title.append(f"  {words.plural(len(state.members), noun)}", style="dim")
    if hidden:
        left = f", {words.plural(hidden, 'branch', 'branches')} left no trace (--all shows them)"
        title.append(left, style="dim")
    if best := state.best:
        title.append(f"  best {words.number(best.score)} by {best.member}", style="magenta")
    return title


def _label(branch: Branch, winner: bool) -> Text:
    label = Text()
    label.append(f"{branch.member} ", style="bold magenta" if winner else "bold")
    label.append(f"{branch.from_step}-{branch.to_step} ", style="" if winner else "dim")
    if branch.reports:
        label.append(f"{words.number(branch.reports[-1].report.score)} ")
    label.append(words.settings(branch.hyperparameters), style="cyan")
    if branch.ends_by is not None:
        label.append("  (left)", style="dim")
    return label
