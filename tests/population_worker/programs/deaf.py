"""Reports with SIGTERM kept from the main thread: what the kernel interrupts is another thread.

That is what happens by chance where the signal comes just before the main thread blocks.
"""

from __future__ import annotations

import signal

from population_worker import Session

with Session() as session:
    print("listening")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    for member in session.members():
        for interval in member.intervals():
            interval.report(interval.until, 0.0)
print("end")
