"""One relay per lane at a time; one that was stopped loses its lease, and what it sends late changes nothing."""

import signal
from pathlib import Path

from services.kit.clock import new_id
from tests.conftest import eventually
from tests.kit.harness import Lab, call, running
from tests.kit.processes import Process

HOLDER = "select token from kit.lease where name = 'relay-live'"


async def test_a_stopped_relay_loses_its_lease_and_its_late_sends_change_nothing(lab: Lab, tmp_path: Path) -> None:
    keys = [new_id() for _ in range(10)]
    for _ in range(5):
        await lab.sender.emit(*keys)
    stopped = await Process.start(lab.sender, "relay", tmp_path, "relay.before_send")  # it has taken its rows and sent none
    try:
        await eventually(stopped.reached, seconds=30)
        await eventually(stopped.stopped)
        first = await lab.sender.value(HOLDER)
        async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
            await eventually(lambda: lab.once(*keys, upto=5))
            second = await lab.sender.value(HOLDER)
            assert second != first
            await lab.sender.emit(*keys)
            await eventually(lambda: lab.once(*keys, upto=6))
            await eventually(lab.sender.published)  # and marked

            stopped.process.send_signal(signal.SIGCONT)

            async def late() -> bool:
                return len(await lab.log()) == 50 + 60

            await eventually(late)
            await eventually(lab.caught_up)
            assert await lab.sender.value(HOLDER) == second
        assert await lab.sender.published()
        assert await lab.once(*keys, upto=6)
        assert await lab.count() == 60
        assert await lab.reader.stuck() == []
    finally:
        await stopped.kill9()


async def test_two_relays_of_one_lane_send_each_row_once(lab: Lab) -> None:
    keys = [new_id() for _ in range(20)]
    async with running(lab.sender.relay().run(), lab.sender.relay().run(), lab.reader.consumer().run()):
        for _ in range(10):
            await lab.sender.emit(*keys)
        await eventually(lambda: lab.once(*keys, upto=10))
    assert len(await lab.log()) == 200


async def test_a_relay_that_ends_in_peace_hands_its_lease_over_at_once(lab: Lab) -> None:
    key = new_id()
    for seq in (1, 2, 3):
        await lab.sender.emit(key)
        async with running(lab.sender.relay().run()):
            await eventually(lab.sender.published, seconds=3)
        assert len(await lab.log()) == seq


async def test_rows_that_commit_late_are_sent_all_the_same(lab: Lab) -> None:
    early, late = new_id(), new_id()
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        async with lab.sender.db.transaction() as slow:
            slow.emit(call(early))
            await slow.flush()  # has the lower id, and commits second
            await lab.sender.emit(late)
            await eventually(lambda: lab.once(late, upto=1))
            assert await lab.effects(early) == []
        await eventually(lambda: lab.once(early, upto=1))


async def test_what_is_rolled_back_is_never_said(lab: Lab) -> None:
    key = new_id()
    for _ in range(3):
        try:
            async with lab.sender.db.transaction() as tx:
                tx.emit(call(key))
                await tx.flush()
                raise LookupError
        except LookupError:
            await lab.sender.emit(key)
    async with running(lab.sender.relay().run(), lab.reader.consumer().run()):
        await eventually(lambda: lab.once(key, upto=3))
    assert [said.seq for said in await lab.log()] == [1, 2, 3]
