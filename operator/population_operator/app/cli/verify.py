"""`population verify`: does every decision in the journal follow from what was observed?"""

from __future__ import annotations

import sys

from population_operator.app import words
from population_operator.app.cli.errors import COMPLETE, FAILED
from population_operator.app.cli.source import Run
from population_operator.core.verify import verify as replay


def verify(run: Run) -> int:
    """Replay a journal; 1 where an entry does not follow."""
    verdict = replay(run.begun())
    if verdict.divergence is not None:
        where = f"entry {verdict.divergence.seq}"
        print(f"{run.label}: {where} does not follow: {verdict.divergence.reason}", file=sys.stderr)
        return FAILED
    state = verdict.state
    print(
        f"{run.label}: {verdict.entries} entries, {words.plural(state.decisions, 'decision')}, "
        f"{words.plural(state.exploits, 'exploit')}: all of them follow"
    )
    return COMPLETE
