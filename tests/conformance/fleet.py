"""What every fleet does. An adapter's test gives `world`, and inherits the rest.

Inputs: what is desired, as the core would say it. Outputs: what really runs, asked of the world and
not of the adapter; and what the adapter observes. Real, in each world: workers that speak the
contract and train `score = step`, as fast as they can.
"""

from __future__ import annotations

import pytest

from population_operator.core.observation import Observation
from population_operator.model.decision import DirectiveKind, Forget
from population_operator.model.entry import Cause, Forgotten, Reported, RestoreFailed
from population_operator.model.report import CheckpointRef
from tests.conformance.fleet_driver import (
    Driver,
    Worlds,
    a_directive,
    a_worker,
    present,
    steps,
    the_experiment,
    uid,
)
from tests.conformance.loop import in_a_loop

AT_ONCE = 0.5
"""Seconds within which `observe` and `apply` have to return, whatever the workers do."""


class FleetConformance:
    """Inherit, and give a fixture `worlds`."""

    @pytest.fixture
    def worlds(self) -> Worlds:
        raise NotImplementedError

    @in_a_loop
    async def test_at_first_there_is_nothing(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            observation = await driver.observe()
            assert observation == Observation(driver.experiment)
            await driver.apply()
            assert await world.exists() == set()

    @in_a_loop
    async def test_a_worker_starts_trains_and_reports(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            worker = a_worker(a_directive(3, until=10))
            seen = await driver.until("a report", lambda o: steps(o) == [10], worker)
            (event,) = seen.events
            assert isinstance(event, Reported)
            assert (event.worker, event.incarnation, event.cursor) == ("w0", 1, 1)
            assert (event.report.member, event.report.directive) == ("m0", 3)
            assert event.report.score == 10
            assert event.report.hyperparameters == {"lr": 0.1}
            assert event.report.checkpoint
            (it,) = seen.present
            assert (it.worker, it.incarnation, it.started) == ("w0", 1, True)
            assert it.uid
            assert it.silent_for < 30
            assert seen.gone == ()

    @in_a_loop
    async def test_applying_again_is_harmless(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            worker = a_worker(a_directive(3, until=10))
            for _ in range(5):
                await driver.apply(worker)
            seen = await driver.until("a report", lambda o: steps(o) == [10], worker)
            first = uid(seen)
            for _ in range(20):
                await driver.apply(a_worker(a_directive(3, until=10), uid=first))
                await world.settle()
            seen = await driver.observe()
            assert await world.exists() == {("w0", 1)}
            assert (uid(seen), steps(seen)) == (first, [10])

    @in_a_loop
    async def test_only_what_was_never_seen_is_created(self, worlds: Worlds) -> None:
        """Seen and gone is gone: creating it again would be a second life under one name."""
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            for _ in range(10):
                await driver.apply(a_worker(a_directive(3, until=10), uid="seen-before"))
                await world.settle()
            assert await world.exists() == set()
            assert present(await driver.observe()) == set()

    @in_a_loop
    async def test_what_is_not_desired_ends(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            both = (
                a_worker(a_directive(3, until=10)),
                a_worker(a_directive(4, until=10, member="m1"), name="w1"),
            )
            await driver.until("both report", lambda o: steps(o) == steps(o, "w1") == [10], *both)
            await driver.apply(both[1])
            await driver.until_exists({("w1", 1)}, "w0 has to end", both[1])
            seen = await driver.until("w0 is gone", lambda o: not o.gone, both[1])
            assert present(seen) == {("w1", 1)}
            assert steps(seen, "w1") == [10]
            assert steps(seen) == []

    @in_a_loop
    async def test_the_next_incarnation_takes_the_place_of_the_last(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            worker = a_worker(a_directive(3, until=10))
            first = await driver.until("a report", lambda o: steps(o) == [10], worker)
            again = a_worker(a_directive(8, until=20, incarnation=2, resumes=(3,)), incarnation=2)
            seen = await driver.until(
                "the second", lambda o: present(o) == {("w0", 2)} and 20 in steps(o), again
            )
            assert uid(seen) != uid(first)
            assert steps(seen) == [10, 20], "what lay on the volume is offered again, then goes on"
            await driver.until_exists({("w0", 2)}, "the first has to end", again)

    @in_a_loop
    async def test_a_worker_that_is_gone_before_it_ran_leaves_nothing(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            await driver.apply(a_worker(a_directive(3, until=10)))
            await driver.apply()
            await driver.until_exists(set(), "nothing is desired")
            await driver.until("it is told no more", lambda o: not o.gone and not o.present)

    @in_a_loop
    async def test_directives_are_delivered_and_the_newest_counts(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            worker = a_worker(a_directive(3, until=10))
            name = uid(await driver.until("a report", lambda o: steps(o) == [10], worker))
            donor = CheckpointRef(member="m0", directive=3, step=10)
            following = {"kind": DirectiveKind.RESUME, "restore": donor}
            old = a_worker(a_directive(5, until=20, **following), uid=name)
            new = a_worker(a_directive(6, until=30, **following), uid=name)
            await driver.apply(old)
            await driver.apply(new)
            seen = await driver.until("the newest is done", lambda o: 30 in steps(o), new)
            assert [s for s in steps(seen) if s != 20] == [10, 30]
            await driver.apply(old)
            for _ in range(10):
                await world.settle()
            assert steps(await driver.observe())[-1] == 30, "an older one is never gone back to"

    @in_a_loop
    async def test_events_are_told_until_they_are_in_the_journal(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            directive = a_directive(3, until=10)
            worker = a_worker(directive)
            seen = await driver.until("a report", lambda o: steps(o) == [10], worker)
            for _ in range(3):
                assert (await driver.observe()).events == seen.events
                await driver.apply(a_worker(directive, uid=uid(seen), cursor=0))
            await driver.apply(a_worker(directive, uid=uid(seen), cursor=1))
            assert (await driver.observe()).events == ()
            restore = CheckpointRef(member="m0", directive=3, step=10)
            following = a_worker(
                a_directive(5, until=20, kind=DirectiveKind.RESUME, restore=restore),
                uid=uid(seen),
                cursor=1,
            )
            seen = await driver.until("the next report", lambda o: steps(o) == [20], following)
            assert [e.cursor for e in seen.events] == [2]

    @in_a_loop
    async def test_the_end_of_a_worker_is_told_with_its_cause(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            directive = a_directive(3, until=10)
            worker = a_worker(directive)
            name = uid(await driver.until("a report", lambda o: steps(o) == [10], worker))
            await world.kill(("w0", 1))
            known = a_worker(directive, uid=name)
            seen = await driver.until(
                "gone",
                lambda o: [(g.worker, g.incarnation) for g in o.gone] == [("w0", 1)],
                known,
            )
            assert present(seen) == set()
            assert seen.gone[0].cause is Cause.EXITED
            assert seen.gone[0].detail
            assert await world.exists() == set()
            for _ in range(3):  # It is told as long as the journal wants to hear it, then never.
                await driver.apply(known)
                assert (await driver.observe()).gone == seen.gone
            await driver.apply()
            await driver.until_exists(set(), "nothing is desired")
            await driver.until("it is told no more", lambda o: not o.gone)

    @in_a_loop
    async def test_a_stuck_worker_holds_up_nobody(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            if not world.can_stall:
                return  # There is no connection in this world that could hang.
            driver = Driver(world)
            both = (
                a_worker(a_directive(3, until=10)),
                a_worker(a_directive(4, until=10, member="m1"), name="w1"),
            )
            seen = await driver.until(
                "both report", lambda o: steps(o) == steps(o, "w1") == [10], *both
            )
            await world.stall(("w0", 1))
            restore = {
                name: CheckpointRef(member=name, directive=number, step=10)
                for name, number in (("m0", 3), ("m1", 4))
            }
            following = [
                a_worker(
                    a_directive(
                        number,
                        until=20,
                        member=member,
                        kind=DirectiveKind.RESUME,
                        restore=restore[member],
                    ),
                    name=name,
                    uid=uid(seen, name),
                )
                for number, member, name in ((6, "m0", "w0"), (7, "m1", "w1"))
            ]
            driver.slowest = 0.0
            seen = await driver.until(
                "the other goes on", lambda o: steps(o, "w1") == [10, 20], *following
            )
            assert steps(seen) == [10]
            assert ("w0", 1) in present(seen)
            await driver.apply()
            assert driver.slowest < AT_ONCE, "a stuck worker held up the loop"
            await driver.until_exists(set(), "a stuck worker is ended all the same")

    @in_a_loop
    async def test_an_exploit_moves_weights_and_a_bad_donor_is_told(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            worker = a_worker(a_directive(3, until=10))
            name = uid(await driver.until("a report", lambda o: steps(o) == [10], worker))
            donor = CheckpointRef(member="m0", directive=3, step=10)
            clone = {"member": "m1", "kind": DirectiveKind.EXPLOIT, "restore": donor}
            good = a_worker(a_directive(5, until=20, **clone), uid=name)
            seen = await driver.until("the clone reports", lambda o: 20 in steps(o), good)
            report = next(e.report for e in seen.events if isinstance(e, Reported) and e.cursor > 1)
            assert (report.member, report.score) == ("m1", 20), "it went on from the donor's 10"
            missing = CheckpointRef(member="m0", directive=3, step=10)
            await world.corrupt(missing)
            bad = a_worker(
                a_directive(6, until=20, **{**clone, "member": "m2"}), uid=name, cursor=2
            )
            seen = await driver.until(
                "the failure is told",
                lambda o: any(isinstance(e, RestoreFailed) for e in o.events),
                bad,
            )
            failed = next(e for e in seen.events if isinstance(e, RestoreFailed))
            assert (failed.member, failed.directive, failed.checkpoint) == ("m2", 6, missing)
            assert failed.reason

    @in_a_loop
    async def test_deletions_ride_along_and_are_confirmed(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            worker = a_worker(a_directive(3, until=10))
            name = uid(await driver.until("a report", lambda o: steps(o) == [10], worker))
            forget = (Forget(member="m0", directive=1), Forget(member="m7", directive=2, keep=(5,)))
            same = a_directive(3, until=10, forget=forget)
            seen = await driver.until(
                "the deletion is confirmed",
                lambda o: any(isinstance(e, Forgotten) for e in o.events),
                a_worker(same, uid=name, cursor=1),
            )
            told = next(e for e in seen.events if isinstance(e, Forgotten))
            assert told.forgotten == forget
            assert steps(seen) == [], "the directive itself is the same: nothing is trained again"

    @in_a_loop
    async def test_what_is_offered_again_is_not_taken_for_what_is_in_memory(
        self, worlds: Worlds
    ) -> None:
        """A worker holds m0 at 10, offers m1's report again, and is then told to go on with m0."""
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            first = a_worker(a_directive(3, until=20, member="m1"))
            name = uid(await driver.until("m1 reports", lambda o: steps(o) == [20], first))
            second = a_worker(a_directive(4, until=10), uid=name)
            await driver.until("m0 reports", lambda o: steps(o) == [20, 10], second)
            again = a_worker(a_directive(5, until=20, member="m1", resumes=(3,)), uid=name)
            await driver.until("m1's is offered again", lambda o: steps(o) == [20, 10, 20], again)
            restore = CheckpointRef(member="m0", directive=4, step=10)
            last = a_worker(
                a_directive(6, until=30, kind=DirectiveKind.RESUME, restore=restore), uid=name
            )
            seen = await driver.until("m0 goes on", lambda o: len(steps(o)) == 4, last)
            report = seen.events[-1]
            assert isinstance(report, Reported)
            assert report.report.score == 30, "it went on from m0's 10, not from m1's 20"

    @in_a_loop
    async def test_another_operator_finds_what_is_there(self, worlds: Worlds) -> None:
        async with worlds(the_experiment()) as world:
            driver = Driver(world)
            directive = a_directive(3, until=10)
            worker = a_worker(directive)
            name = uid(await driver.until("a report", lambda o: steps(o) == [10], worker))
            await world.replace_operator()
            known = a_worker(directive, uid=name)
            if world.keeps_workers:
                seen = await driver.until("told again", lambda o: steps(o) == [10], known)
                assert uid(seen) == name
                assert await world.exists() == {("w0", 1)}
                return
            await driver.until_exists(set(), "no worker outlives the operator here")
            await driver.apply(known)
            await world.settle()
            assert present(await driver.observe()) == set(), "the core sees that it has vanished"
            again = a_worker(a_directive(8, until=20, incarnation=2, resumes=(3,)), incarnation=2)
            seen = await driver.until("it goes on", lambda o: steps(o)[-1:] == [20], again)
            assert steps(seen) == [10, 20]
