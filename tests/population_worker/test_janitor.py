"""Forgetting beside the training, as the operator sees it."""

from __future__ import annotations

import threading

from tests.population_worker.support import directive, ref
from tests.population_worker.walk import Program, Walk


def item(member: str, directive_id: int, *keep: int) -> dict:
    return {"member": member, "directive": directive_id, "keep": list(keep)}


def test_what_was_forgotten_is_told(start, root):
    worker = start(Program())
    worker.operator.train(directive(1))
    resume = {"kind": "resume", "restore": ref("m0", 1, 10), "until": 20}
    worker.operator.train(directive(2, **resume))
    next_one = directive(3, kind="resume", restore=ref("m0", 2, 20), until=30)
    worker.operator.train(next_one)
    # It rides along with the directive that is held already.
    worker.operator.send({**next_one, "forget": [item("m0", 1), item("m9", 1)]})
    (event,) = worker.operator.events("forgotten")
    assert event["forgotten"] == [item("m0", 1), item("m9", 1)]
    assert sorted(path.name for path in (root / "m0").iterdir()) == ["2-20", "3-30"]


def test_what_is_restored_from_is_never_deleted(start, root):
    """A long interval under way: a successor would begin at its `restore`."""
    go_on = threading.Event()

    def program(session):
        for member in session.members():
            walk = Walk(0.1)
            for interval in member.intervals(walk):
                if interval.step:
                    assert go_on.wait(20)
                interval.report(interval.until, 0.0)

    worker = start(program)
    worker.operator.train(directive(1))
    resume = {"kind": "resume", "restore": ref("m0", 1, 10), "until": 20}
    forget = [item("m0", 1), item("m9", 1)]
    worker.operator.send(directive(2, **resume, forget=forget))
    (event,) = worker.operator.events("forgotten")
    assert event["forgotten"] == [item("m9", 1)]
    (trouble,) = worker.operator.events("trouble")
    assert trouble["reason"] == "forget: m0/1-10 is what is restored from"
    assert (root / "m0/1-10").exists()
    go_on.set()
    worker.operator.reports(2)
    worker.operator.send(directive(2, **resume, forget=forget))  # now its own is the newest
    worker.operator.events("forgotten", 2)
    assert sorted(path.name for path in (root / "m0").iterdir()) == ["2-20"]


def test_at_the_end_even_the_newest_may_go(start, root):
    worker = start(Program())
    worker.operator.train(directive(1))
    worker.operator.send(directive(1, forget=[item("m0", 1)]))
    worker.operator.events("forgotten")
    assert list((root / "m0").iterdir()) == []


def test_names_that_reach_out_of_the_root_are_refused(start, root):
    root.mkdir()
    outside = root.parent / "1-10"
    outside.mkdir()
    worker = start(Program())
    for member in ("..", "../checkpoints", "/tmp"):
        status, answer = worker.operator.put(directive(1, forget=[item(member, 1)]))
        assert status == 422
        assert answer["error"].startswith("forget[0].member: ")
    assert outside.exists()
