"""The mailbox: what is held, what was published, and who waits."""

from __future__ import annotations

import json
import os
import threading

import pytest

from population_worker.directive import CheckpointRef, Directive, Forget, parse_directive
from population_worker.mailbox import Mailbox, Refused
from population_worker.report import Measurement, Report
from tests.population_worker.support import directive


@pytest.fixture
def mailbox():
    return Mailbox(1)


def a_directive(id: int, **changes) -> Directive:
    return parse_directive(directive(id, **changes))


def a_report(step: int) -> Report:
    return Report(1, "m0", Measurement(step, 0.5), {}, True, {})


def test_only_the_newest_directive_is_taken(mailbox):
    mailbox.put(a_directive(1))
    mailbox.put(a_directive(2))
    assert mailbox.take(-1).id == 2
    assert mailbox.newer(2) is None


def test_an_older_one_is_refused_whichever_member_it_names(mailbox):
    mailbox.put(a_directive(2))
    with pytest.raises(Refused, match="directive 2 is held, 1 is older"):
        mailbox.put(a_directive(1, member="another"))
    assert mailbox.held.id == 2


def test_another_incarnations_is_refused(mailbox):
    with pytest.raises(Refused, match="incarnation 1"):
        mailbox.put(a_directive(1, incarnation=2))
    assert mailbox.held is None


def test_a_put_of_the_held_id_replaces_only_forget(mailbox):
    mailbox.put(a_directive(1))
    mailbox.put(a_directive(1, forget=[{"member": "m0", "directive": 0, "keep": []}], until=99))
    assert mailbox.held.until == 10
    assert mailbox.take_forget() == (Forget("m0", 0),)


def test_waiting_is_told_from_the_report_on_and_until_the_put(mailbox):
    assert mailbox.read(0, 0).waiting is True
    mailbox.put(a_directive(1))
    assert mailbox.read(0, 0).waiting is False
    mailbox.take(-1)
    mailbox.report(a_report(5))
    assert mailbox.read(0, 0).waiting is False
    mailbox.report(a_report(10), waits_after=1)
    batch = mailbox.read(0, 0)
    assert (batch.waiting, batch.step, batch.cursor) == (True, 10, 2)
    mailbox.put(a_directive(2))
    assert mailbox.read(0, 0).waiting is False  # nobody has taken it yet


def test_a_directive_that_was_put_meanwhile_is_no_wait(mailbox):
    mailbox.put(a_directive(1))
    mailbox.take(-1)
    mailbox.put(a_directive(2))
    mailbox.report(a_report(10), waits_after=1)
    assert mailbox.read(0, 0).waiting is False


def test_a_failed_restore_waits(mailbox):
    mailbox.put(a_directive(1))
    mailbox.take(-1)
    mailbox.restore_failed(a_directive(1), CheckpointRef("m1", 0, 5), "model.pt: digest")
    batch = mailbox.read(0, 0)
    assert batch.waiting is True
    assert json.loads(batch.events[0]) == {
        "cursor": 1,
        "kind": "restore_failed",
        "directive": 1,
        "member": "m0",
        "checkpoint": {"member": "m1", "directive": 0, "step": 5},
        "reason": "model.pt: digest",
    }


def test_troubles_may_be_dropped_and_reports_never(mailbox):
    mailbox.report(a_report(1))
    for number in range(150):
        mailbox.trouble("m0", f"save: {number}")
    batch = mailbox.read(0, 0)
    assert batch.cursor == 151
    assert len(batch.events) == 101
    assert json.loads(batch.events[0])["kind"] == "report"
    assert json.loads(batch.events[1])["reason"] == "save: 50"


def test_a_name_that_is_no_text_is_told_readably(mailbox):
    """JSON's readers refuse the whole answer for one lone surrogate."""
    mailbox.trouble("m0", os.fsdecode(b"caf_\xe9.pt: is damaged"))
    (event,) = mailbox.read(0, 0).events
    assert json.loads(event)["reason"] == "caf_\\udce9.pt: is damaged"


def test_stop_wins_over_a_directive(mailbox):
    mailbox.put(a_directive(1))
    mailbox.stop()
    assert mailbox.take(-1) is None
    assert mailbox.wait_stopped(0) is True


def test_every_waiter_is_woken(mailbox):
    results = []
    waiters = [
        threading.Thread(target=lambda: results.append(mailbox.take(-1))),
        threading.Thread(target=lambda: results.append(mailbox.take_forget())),
        threading.Thread(target=lambda: results.append(mailbox.read(0, 60).events)),
    ]
    for waiter in waiters:
        waiter.start()
    mailbox.close()
    for waiter in waiters:
        waiter.join(5)
    assert sorted(map(str, results)) == ["()", "None", "None"]
