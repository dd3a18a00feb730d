"""A runtime in memory and virtual time: no process, no disk, no waiting.

The same core and the same loop as everywhere else, so that an algorithm can be tried on a
synthetic problem a thousand times in seconds, and a fault injected at any moment.
"""

from population_operator.adapters.simulation.clock import VirtualClock
from population_operator.adapters.simulation.fleet import SimulatedFleet
from population_operator.adapters.simulation.journal import MemoryJournal
from population_operator.adapters.simulation.program import Program
from population_operator.adapters.simulation.views import MemoryViews

__all__ = [
    "MemoryJournal",
    "MemoryViews",
    "Program",
    "SimulatedFleet",
    "VirtualClock",
]
