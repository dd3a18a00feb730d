"""A random walk as a process: prints what it does, and waits a little in each step."""

from __future__ import annotations

import os
import time

from population_worker import Session
from tests.population_worker.walk import Walk


def main() -> None:
    pause = float(os.environ.get("PAUSE", "0"))
    with Session(hyperparameters={"lr": 0.1}, interval=10, max_steps=30) as session:
        print("listening")
        for member in session.members():
            walk = Walk(float(member.hyperparameters["lr"]))

            def slow_save(path, save=walk.save):
                print("saving")
                save(path)
                time.sleep(pause)
                print("saved")

            def slow_load(path, kind, load=walk.load):
                print("loading")
                load(path, kind)
                # A signal that comes just before a call blocks is heard only after that call.
                for _ in range(100):
                    time.sleep(pause / 10)

            for interval in member.intervals(walk, save=slow_save, load=slow_load):
                for step in range(interval.step, interval.until):
                    print(f"step {step}")
                    time.sleep(pause)
                    walk.train()
                    if step == interval.step + 4:
                        interval.report(step + 1, walk.place)
                interval.report(interval.until, walk.place)
    print("end")


main()
