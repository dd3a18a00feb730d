"""SIGTERM: a waiting worker ends well, a training one at once, a commit is finished."""

from __future__ import annotations

import time

from tests.population_worker.support import directive, ref


def test_a_waiting_worker_ends_its_loops_and_exits_0(spawn):
    worker = spawn("walk.py", directive(1))
    worker.until("listening")
    worker.connect().reports(2)
    worker.process.terminate()
    worker.until("end")
    assert worker.finish() == (0, "")


def test_a_worker_without_a_directive_exits_0(spawn):
    worker = spawn("walk.py", None)
    worker.until("listening")
    time.sleep(0.1)
    worker.process.terminate()
    assert worker.finish() == (0, "")


def test_a_signal_that_interrupts_nothing_is_heard_all_the_same(spawn):
    worker = spawn("deaf.py", directive(1))
    worker.until("listening")
    worker.connect().reports(1)
    worker.process.terminate()
    assert worker.finish(2) == (0, "")


def test_right_after_a_report_it_ends_within_two_seconds(spawn, root):
    for number in range(30):
        worker = spawn("walk.py", directive(1), root=str(root / str(number)))
        worker.until("listening")
        worker.connect().reports(2)
        worker.process.terminate()
        assert worker.finish(2) == (0, "")


def test_a_training_worker_exits_143(spawn, root):
    worker = spawn("walk.py", directive(1), PAUSE="0.2")
    worker.until("step 1")
    worker.process.terminate()
    assert worker.finish(5) == (143, "")
    assert not (root / "m0").exists()


def test_a_load_is_not_waited_for(spawn):
    donor = spawn("walk.py", directive(1, member="m1"))
    donor.until("listening")
    donor.connect().reports(2)
    exploit = directive(2, kind="exploit", restore=ref("m1", 1, 10), until=20)
    worker = spawn("walk.py", exploit, PAUSE="1")
    worker.until("loading")
    worker.process.terminate()
    assert worker.finish(5) == (143, "")


def test_a_commit_is_finished_first(spawn, root):
    worker = spawn("walk.py", directive(1), PAUSE="0.1")
    worker.until("saving")
    worker.process.terminate()
    assert worker.finish(5) == (143, "")  # step 5 of 10: training would have gone on
    assert (root / "m0/1-5/manifest.json").exists()


def test_the_last_commit_is_finished_and_the_program_ends_well(spawn, root):
    worker = spawn("walk.py", directive(1), PAUSE="0.1")
    worker.until("saving")
    worker.until("saving")
    worker.process.terminate()
    worker.until("end")
    assert worker.finish(5) == (0, "")
    assert (root / "m0/1-10/manifest.json").exists()


def test_a_forked_child_dies_of_sigterm_as_usual(spawn):
    worker = spawn("forked.py", directive(1))
    worker.until("child -15")
    worker.process.terminate()
    assert worker.finish()[0] == 143
