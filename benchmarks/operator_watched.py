"""The operator of `operator_latency.py`: it writes down when it did what, to $OPERATOR_TIMES.

Nothing of it is changed, only watched: the listener, the sender, the journal and `decide`.
"""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from unittest.mock import patch

from benchmarks.latency import Times, watched_decide, watched_journal, watched_link
from population_operator.adapters.kubernetes import connection
from population_operator.adapters.kubernetes.journal import KubernetesJournal
from population_operator.app.operator import cli, controller
from population_operator.ports import Clock, Fleet, Journal, Views
from population_operator.reconcile import Reconciler


def main() -> None:
    times = Times()
    began = time.process_time()

    def reconciler(journal: Journal, fleet: Fleet, views: Views, clock: Clock) -> Reconciler:
        return Reconciler(journal, fleet, views, clock, decide=watched_decide(times))

    with (
        patch.object(connection, "WorkerLink", watched_link(times)),
        patch.object(controller, "KubernetesJournal", watched_journal(times, KubernetesJournal)),
        patch.object(controller, "Reconciler", reconciler),
    ):
        try:
            cli.main()
        finally:
            times.busy = time.process_time() - began
            Path(os.environ["OPERATOR_TIMES"]).write_bytes(pickle.dumps(times))


if __name__ == "__main__":
    main()
