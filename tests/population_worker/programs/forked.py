"""Forks a child while a session is open, as data loaders do, and ends it by SIGTERM."""

from __future__ import annotations

import os
import signal
import time

from population_worker import Session

with Session() as session:
    for member in session.members():
        for _ in member.intervals():
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            time.sleep(0.1)
            os.kill(child, signal.SIGTERM)
            _, status = os.waitpid(child, 0)
            print(f"child {os.waitstatus_to_exitcode(status)}")
            time.sleep(30)
