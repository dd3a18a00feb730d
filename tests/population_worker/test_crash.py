"""kill -9 at any time: the successor goes on, and what it repeats is equal bit by bit."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.population_worker.support import directive, ref


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tls):
    """The content of m0/1-10 of a run that nobody killed."""
    from tests.population_worker.support import Process

    root = tmp_path_factory.mktemp("undisturbed")
    run = Process("walk.py", root, tls, directive(1))
    run.until("listening")
    run.connect().reports(2)
    run.process.kill()
    run.finish()
    return (root / "m0/1-10/walk.json").read_bytes()


@pytest.mark.parametrize("moment", ["listening", "step 2", "saving", "saved", "step 7"])
def test_a_killed_worker_is_continued(spawn, root, undisturbed, moment):
    first = spawn("walk.py", directive(1), PAUSE="0.02")
    first.until(moment)
    os.kill(first.process.pid, signal.SIGKILL)
    first.finish()
    second = spawn("walk.py", directive(2, incarnation=2, resumes=[1]))
    second.until("listening")
    reports = second.connect().reports(2)
    last = reports[-1]
    assert (last["directive"], last["step"]) == (2, 10)
    assert (root / "m0/2-10/walk.json").read_bytes() == undisturbed
    assert not list((root / "m0").glob(".tmp-*"))


def test_a_committed_report_is_offered_again_and_not_trained_again(spawn):
    first = spawn("walk.py", directive(1))
    first.until("listening")
    before = first.connect().reports(2)[-1]
    first.process.kill()
    first.finish()
    second = spawn("walk.py", directive(5, incarnation=2, resumes=[1]))
    second.until("listening")
    operator = second.connect()
    (again,) = operator.reports(1)
    assert again == before  # under its own directive's id
    assert operator.wait(0)["waiting"] is True
    operator.send(directive(6, incarnation=2, kind="resume", restore=ref("m0", 1, 10), until=20))
    second.until("step 10")  # and no step before
    assert operator.reports(2)[-1]["directive"] == 6


def test_a_killed_exploit_is_an_exploit_again(spawn, root):
    donor = spawn("walk.py", directive(1, member="m1"))
    donor.until("listening")
    donor.connect().reports(2)
    exploit = directive(3, kind="exploit", restore=ref("m1", 1, 10), until=20)
    killed = spawn("walk.py", exploit, PAUSE="0.05")
    killed.until("step 11")
    killed.process.kill()
    killed.finish()
    assert (root / "m0/3-10/manifest.json").exists()
    again = {**exploit, "id": 4, "incarnation": 2, "resumes": [3]}
    successor = spawn("walk.py", again)
    successor.until("listening")
    successor.connect().reports(2)
    undisturbed = spawn("walk.py", {**exploit, "id": 9, "member": "m9"})
    undisturbed.until("listening")
    undisturbed.connect().reports(2)
    assert (root / "m0/4-20/walk.json").read_bytes() == (root / "m9/9-20/walk.json").read_bytes()


def test_leftovers_of_others_stay(spawn, root):
    ours, theirs = root / "m0/.tmp-1-5-abc", root / "m0/.tmp-9-5-abc"
    ours.mkdir(parents=True)
    theirs.mkdir()
    worker = spawn("walk.py", directive(2, resumes=[1]))
    worker.until("step 0")
    assert not ours.exists()
    assert theirs.exists()


def test_the_manifest_holds_the_report_that_was_published(spawn, root):
    worker = spawn("walk.py", directive(1))
    worker.until("listening")
    report = worker.connect().reports(2)[-1]
    assert json.loads((root / "m0/1-10/manifest.json").read_text())["report"] == report
