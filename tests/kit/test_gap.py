"""A record that never came: its key waits, the others do not, and `republish` mends it."""

import asyncio

from services.kit.clock import new_id
from services.kit.drainer import retry
from services.kit.outbox import Lane
from services.kit.relay import republish
from tests.conftest import eventually
from tests.kit.harness import Failing, Lab, running


async def relays(lab: Lab) -> None:
    await asyncio.gather(*(lab.sender.relay(lane).run() for lane in Lane))


async def test_a_lost_record_parks_its_key_as_a_gap_until_republish(lab: Lab) -> None:
    key, other = new_id(), new_id()
    await lab.sender.emit(*[key] * 5)
    await lab.sender.lose(3)
    async with running(relays(lab), lab.reader.consumer().run(), lab.reader.drainer().run()):
        await lab.sender.emit(*[other] * 2)
        await eventually(lambda: lab.once(other, upto=2))
        await eventually(lab.caught_up)
        [gap] = await lab.reader.stuck()
        assert (gap.key, gap.reason, gap.seq, gap.waiting) == (key, "gap", 4, 2)
        assert gap.cause == f"seq 3 of {lab.sender.name} is missing, 4 came"
        assert await lab.effects(key) == [1, 2]
        since = await lab.sender.value("select min(at)::text from kit.outbox")
        assert await republish(lab.sender.db, since) == 7
        await eventually(lambda: lab.once(key, upto=5))
        await eventually(lab.nothing_stuck)
    assert await lab.count() == 7


async def test_two_holes_in_one_key_are_mended_by_one_republish(lab: Lab) -> None:
    key = new_id()
    await lab.sender.emit(*[key] * 6)
    await lab.sender.lose(2, 5)
    async with running(relays(lab), lab.reader.consumer().run(), lab.reader.drainer().run()):
        await eventually(lab.reader.stuck)
        await republish(lab.sender.db, "2000-01-01")
        await eventually(lambda: lab.once(key, upto=6))
        await eventually(lab.nothing_stuck)


async def test_records_that_arrive_in_the_wrong_order_are_applied_in_the_right_one(lab: Lab) -> None:
    key = new_id()
    await lab.sender.emit(*[key] * 3)
    for seq in (3, 2, 1):
        await lab.sender.send_again()
        await lab.sender.lose(*{1, 2, 3} - {seq})
        async with running(lab.sender.relay().run()):
            await eventually(lab.sender.published)
    assert [envelope.seq for envelope in await lab.log()] == [3, 2, 1]
    async with running(lab.reader.consumer().run(), lab.reader.drainer().run()):
        await eventually(lambda: lab.once(key, upto=3))
        await eventually(lab.nothing_stuck)


async def test_a_record_lost_behind_a_failing_one_comes_back_by_republish(lab: Lab) -> None:
    """The missing record then stands in the queue behind the one that waits for it."""
    key, failing = new_id(), Failing()
    await lab.sender.emit(key)
    await lab.sender.emit(key, kind="bad")
    await lab.sender.emit(key, key)
    await lab.sender.lose(3)
    async with running(relays(lab), lab.reader.consumer(failing.table).run()):
        await eventually(lab.reader.stuck)
        await eventually(lab.sender.published)
        await eventually(lab.caught_up)
        await republish(lab.sender.db, "2000-01-01")
        await eventually(lab.sender.published)
        await eventually(lab.caught_up)
        failing.healed = True
        async with running(lab.reader.drainer(failing.table).run()):
            async with lab.reader.db.transaction() as tx:
                await retry(tx, "cases", key, "tester", "mended")
            await eventually(lambda: lab.once(key, upto=4))
            await eventually(lab.nothing_stuck)
