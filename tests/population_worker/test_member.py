"""A member's life: intervals, exploits, rebuilds, other members, failures."""

from __future__ import annotations

import itertools
import json
import random
import shutil

import numpy
import pytest

from tests.population_worker.support import directive, ref
from tests.population_worker.walk import Program, Walk


def test_trains_reports_and_goes_on_from_memory(start):
    program = Program()
    worker = start(program)
    worker.operator.send(directive(1))
    (report,) = worker.operator.reports(1)
    assert report["directive"] == 1
    assert report["step"] == 10
    assert report["checkpoint"] is True
    assert report["hyperparameters"] == {"lr": 0.1}
    assert set(report["seconds"]) == {"train", "wait", "save", "restore"}
    worker.operator.send(
        directive(2, kind="resume", restore=ref("m0", 1, 10), until=20, hyperparameters={"lr": 0.2})
    )
    worker.operator.reports(2)
    worker.stop()
    ((name, walk),) = program.walks
    assert name == "m0"
    assert walk.lr == 0.2
    assert program.intervals == [(0, 10), (10, 20)]
    assert walk.calls == ["apply", "save", "apply", "save"]  # memory was exactly that checkpoint


def test_an_exploit_copies_loads_and_then_applies(start, root):
    program = Program()
    worker = start(program)
    worker.operator.train(directive(1, member="m1"))
    worker.operator.train(directive(2, member="m0"))
    exploit = directive(
        3, kind="exploit", restore=ref("m1", 1, 10), until=20, hyperparameters={"lr": 9.0}
    )
    worker.operator.send(exploit)
    worker.operator.reports(3)
    worker.stop()
    assert [name for name, _ in program.walks] == ["m1", "m0"]
    loser = program.walks[1][1]
    assert loser.calls == ["apply", "save", "load exploit", "apply", "save"]
    donated = json.loads((root / "m1/1-10/walk.json").read_text())["place"]
    random.seed(42)
    assert loser.place == pytest.approx(donated + sum(9.0 * random.gauss(0, 1) for _ in range(10)))
    manifest = json.loads((root / "m0/3-10/manifest.json").read_text())
    assert manifest["copied_from"] == ref("m1", 1, 10)
    assert manifest["report"] is None


def test_an_immutable_change_rebuilds_the_same_member(start):
    program = Program()
    worker = start(program)
    worker.operator.send(
        directive(1, immutable=["width"], hyperparameters={"lr": 0.1, "width": 64})
    )
    worker.operator.reports(1)
    follow = {"kind": "resume", "restore": ref("m0", 1, 10), "until": 20, "immutable": ["width"]}
    worker.operator.send(directive(2, **follow, hyperparameters={"lr": 0.1, "width": 128}))
    worker.operator.reports(2)
    worker.stop()
    assert [name for name, _ in program.walks] == ["m0", "m0"]
    assert program.walks[1][1].calls == ["load resume", "apply", "save"]


def test_a_start_after_training_rebuilds(start):
    program = Program()
    worker = start(program)
    worker.operator.send(directive(1))
    worker.operator.reports(1)
    worker.operator.send(directive(2))
    first, second = worker.operator.reports(2)
    worker.stop()
    assert len(program.walks) == 2
    assert first["score"] == second["score"]  # a start is reproducible


def test_a_newer_directive_takes_over_at_the_next_report(start):
    seen = []

    def program(session):
        for member in session.members():
            walk = Walk(0.1)
            for interval in member.intervals(walk):
                seen.append((member.name, interval.step))
                if member.name == "m0":
                    worker.connect().send(directive(2, member="m1"))
                interval.report(interval.step + 5, 0.0)
                if not member.ended:
                    interval.report(interval.until, 0.0)

    worker = start(program)
    worker.operator.send(directive(1))
    reports = worker.operator.reports(2)
    worker.stop()
    assert [(r["member"], r["step"]) for r in reports] == [("m0", 5), ("m1", 5)]
    assert seen == [("m0", 0), ("m1", 0)]


def test_what_is_reported_after_its_interval_is_over_counts_for_nobody(start):
    """The body goes on though its member was taken away in the middle of it."""
    went_on = []

    def program(session):
        for member in session.members():
            walk = Walk(0.1)
            for interval in member.intervals(walk):
                if member.name == "m0":
                    worker.connect().send(directive(2, member="m1"))
                went_on.append(interval.report(interval.step + 5, 0.0))
                went_on.append(interval.report(interval.until, 0.0))

    worker = start(program)
    worker.operator.send(directive(1))
    reports = worker.operator.reports(3)
    worker.stop()
    assert [(r["member"], r["step"]) for r in reports] == [("m0", 5), ("m1", 5), ("m1", 10)]
    assert went_on == [False, False, True, False]


def test_what_was_trained_after_an_interval_was_over_is_undone(start):
    """Weights that were copied in the middle of a body are loaded again when it is left."""
    seen = []

    def program(session):
        for member in session.members():
            walk = Walk(0.1)
            for interval in member.intervals(walk):
                seen.append((interval.directive.id, interval.step, walk.place))
                for step in range(interval.step, interval.until, 5):
                    if (interval.directive.id, step) == (2, 0):
                        exploit = {"kind": "exploit", "restore": ref("m1", 1, 10), "until": 20}
                        worker.connect().send(directive(3, **exploit))
                    walk.train()
                    interval.report(step + 5, walk.place)

    worker = start(program)
    donor = worker.operator.train(directive(1, member="m1"))
    worker.operator.send(directive(2, until=100))
    reports = worker.operator.reports(5)
    worker.stop()
    assert [(r["directive"], r["step"]) for r in reports[2:]] == [(2, 5), (3, 15), (3, 20)]
    assert seen[-1] == (3, 10, donor["score"])


def test_a_body_that_never_ends_is_told_what_to_do(start):
    def program(session):
        for member in session.members():
            for interval in member.intervals(Walk(0.1)):
                if member.name == "m0":
                    worker.connect().send(directive(2, member="m1"))
                for step in itertools.count(interval.step + 5, 5):
                    interval.report(step, 0.0)

    worker = start(program)
    worker.operator.send(directive(1))
    with pytest.raises(
        RuntimeError, match=r"leave it at interval\.until, or where interval\.report"
    ):
        worker.join()


@pytest.mark.parametrize(
    ("applied", "told"),
    [
        ([0.9, 0.999], "applied: lr: expected"),
        (None, "applied: lr"),
        (numpy.ones(2), "applied: lr"),
    ],
)
def test_an_echo_that_no_report_can_carry_is_refused(start, applied, told):
    def program(session):
        for member in session.members():
            for interval in member.intervals(Walk(0.1), applied=lambda: {"lr": applied}):
                interval.report(interval.until, 0.0)

    worker = start(program)
    worker.operator.send(directive(1))
    with pytest.raises(TypeError, match=told):
        worker.join()


def test_an_echo_may_be_of_another_librarys_numbers(start):
    def program(session):
        for member in session.members():
            for interval in member.intervals(Walk(0.1), applied=lambda: {"lr": numpy.float32(0.5)}):
                interval.report(interval.until, 0.0)

    worker = start(program)
    assert worker.operator.train(directive(1))["hyperparameters"] == {"lr": 0.5}
    worker.stop()


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove file", "remove", "manifest"])
def test_a_corrupt_donor_fails_over_to_another(start, root, damage):
    program = Program()
    worker = start(program)
    for number, member in enumerate(["m1", "m2", "m0"], 1):
        worker.operator.train(directive(number, member=member))
    _damage(root / "m1" / "1-10", damage)
    exploit = {"kind": "exploit", "until": 20}
    worker.operator.send(directive(4, **exploit, restore=ref("m1", 1, 10)))
    (failed,) = worker.operator.events("restore_failed")
    assert failed["directive"] == 4
    assert failed["member"] == "m0"
    assert failed["checkpoint"] == ref("m1", 1, 10)
    assert failed["reason"]
    assert worker.operator.wait(0)["waiting"] is True
    worker.operator.send(directive(5, **exploit, restore=ref("m2", 2, 10), resumes=[4]))
    assert worker.operator.reports(4)[-1]["directive"] == 5
    worker.stop()
    assert program.walks[-1][1].calls == ["load exploit", "apply", "save"]  # a fresh one


def _damage(folder, damage):
    file = folder / "walk.json"
    content = file.read_bytes()
    file.unlink()  # not in place: a hard link would share it
    if damage == "flip":
        file.write_bytes(content.replace(b'"lr":', b'"lR":'))
    elif damage == "truncate":
        file.write_bytes(content[:-1])
    elif damage == "manifest":
        file.write_bytes(content)
        (folder / "manifest.json").write_text("{}")
    elif damage == "remove":
        shutil.rmtree(folder)


def test_an_error_of_load_on_good_bytes_is_the_programs_own(start):
    def program(session):
        for member in session.members():
            walk = Walk(0.1)

            def load(path, kind):
                raise KeyError("mine")

            for interval in member.intervals(walk, load=load):
                interval.report(interval.until, 0.0)

    worker = start(program)
    worker.operator.train(directive(1, member="m1"))
    worker.operator.train(directive(2))
    worker.operator.send(directive(3, kind="exploit", restore=ref("m1", 1, 10), until=20))
    with pytest.raises(KeyError, match="mine"):
        worker.join()


def test_without_save_there_is_no_checkpoint_and_memory_goes_on(start, root):
    def program(session):
        for member in session.members():
            for interval in member.intervals():
                interval.report(interval.until, 0.5)

    worker = start(program)
    worker.operator.send(directive(1))
    assert worker.operator.reports(1)[0]["checkpoint"] is False
    worker.operator.send(directive(2, kind="resume", restore=ref("m0", 1, 10), until=20))
    assert worker.operator.reports(2)[1]["step"] == 20
    worker.stop()
    assert not root.exists()


def test_a_framework_that_owns_the_loop_uses_the_primitive(start):
    log = []

    def program(session):
        for member in session.members():
            walk = Walk(0.1)
            step = member.restore(walk)
            while not member.ended:
                step += 5
                following = member.report(step, walk.place, samples=[1, 2.5], accuracy=0.5)
                log.append((member.name, step, following and following.id, member.ended))

    worker = start(program)
    worker.operator.send(directive(1))
    worker.operator.reports(2)
    worker.operator.send(directive(2, kind="resume", restore=ref("m0", 1, 10), until=15))
    worker.operator.reports(3)
    worker.operator.send(directive(3, member="m1", until=5))
    reports = worker.operator.reports(4)
    worker.stop()
    assert reports[0]["samples"] == [1.0, 2.5]
    assert reports[0]["metrics"] == {"accuracy": 0.5}
    assert log == [
        ("m0", 5, None, False),
        ("m0", 10, 2, False),
        ("m0", 15, 3, True),
        ("m1", 5, None, True),
    ]


def test_a_report_that_does_not_advance_is_refused(start):
    def program(session):
        for member in session.members():
            for interval in member.intervals():
                interval.report(5, 0.0)
                interval.report(5, 0.0)

    worker = start(program)
    worker.operator.send(directive(1))
    with pytest.raises(ValueError, match="step: 5 is not beyond 5"):
        worker.join()


def test_an_interval_without_a_report_is_an_error(start):
    def program(session):
        for member in session.members():
            for _ in member.intervals():
                pass

    worker = start(program)
    worker.operator.send(directive(1))
    with pytest.raises(RuntimeError, match="nothing was reported from step 0 to 10"):
        worker.join()


def test_an_interval_may_be_trained_in_pieces(start):
    starts = []

    def program(session):
        for member in session.members():
            for interval in member.intervals():
                starts.append(interval.step)
                interval.report(interval.step + 4, 0.0)

    worker = start(program)
    worker.operator.send(directive(1))
    worker.operator.reports(3)
    worker.stop()
    assert starts == [0, 4, 8]


def test_a_member_that_is_left_early_waits_for_another_directive(start):
    names = []

    def program(session):
        for member in session.members():
            names.append(member.name)
            for interval in member.intervals():
                if member.name == "m0":
                    break
                interval.report(interval.until, 0.0)

    worker = start(program)
    worker.operator.send(directive(1))
    worker.operator.send(directive(2, member="m1"))
    worker.operator.reports(1)
    worker.stop()
    assert names[-1] == "m1"
