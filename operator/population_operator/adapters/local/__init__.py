"""The embedded runtime: a folder for the journal and checkpoints, subprocesses for workers."""

from population_operator.adapters.local.fleet import LocalFleet
from population_operator.adapters.local.folder import RunFolder
from population_operator.adapters.local.journal import FileJournal
from population_operator.adapters.local.sweeping import sweep

__all__ = ["FileJournal", "LocalFleet", "RunFolder", "sweep"]
