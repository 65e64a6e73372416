"""Many keys failing at once are our own fault: the consumer stops and asks."""

from services.kit import pausing
from services.kit.clock import new_id
from services.kit.consumer import PARTITIONS_AT_ONCE
from tests.conftest import eventually
from tests.kit.harness import Failing, Lab, running


async def paused(lab: Lab) -> list[str]:
    async with lab.reader.db.connection() as conn:
        return await pausing.paused_topics(conn)


async def test_more_than_20_newly_parked_keys_in_a_minute_pause_the_consumer_and_open_a_task_until_resume(lab: Lab) -> None:
    bad, good, failing = [new_id() for _ in range(60)], new_id(), Failing()
    await lab.sender.emit(*bad, kind="bad")
    consumer = lab.reader.consumer(failing.table)
    async with running(lab.sender.relay().run(), consumer.run()):
        await eventually(lambda: paused(lab))
        assert await paused(lab) == ["cases"]
        assert 20 < await lab.reader.value("select count(*) from kit.parked_key") <= 20 + PARTITIONS_AT_ONCE
        [(kind, topic)] = await lab.reader.fetch("select convert_from(payload, 'utf8')::json ->> 'kind', aggregatetype from kit.outbox")
        assert (kind, topic) == ("consumer_paused", "tasks")
        await lab.sender.emit(good)
        await eventually(lab.sender.published)
        failing.healed = True
        async with running(lab.reader.drainer(failing.table).run()):
            assert await resume(lab)
            assert not await resume(lab)
            resumed_at = await lab.reader.value("select max(at) from kit.parked_audit")
            await eventually(lambda: lab.once(*bad, good, upto=1))
            await eventually(lab.nothing_stuck)
        assert await lab.reader.value("select min(at) from effect where key = $1", good) > resumed_at
    closed = await lab.reader.fetch("select type from kit.outbox order by id")
    assert closed == ["common.task_opened.v1", "common.task_closed.v1"]
    assert await lab.reader.fetch("select topic, action, by_whom from kit.parked_audit") == [("cases", "resume", "claire")]


async def resume(lab: Lab) -> bool:
    async with lab.reader.db.transaction() as tx:
        return await pausing.resume(tx, "cases", "claire", "the handler is mended")


async def test_20_newly_parked_keys_do_not_pause_it(lab: Lab) -> None:
    bad, good, failing = [new_id() for _ in range(20)], new_id(), Failing()
    await lab.sender.emit(*bad, kind="bad")
    async with running(lab.sender.relay().run(), lab.reader.consumer(failing.table).run()):
        await eventually(lab.sender.published)
        await eventually(lab.caught_up)
        await lab.sender.emit(good)
        await eventually(lambda: lab.once(good, upto=1))
    assert await paused(lab) == []
    assert await lab.reader.value("select count(*) from kit.parked_key") == 20


async def test_a_paused_consumer_counts_as_making_progress(lab: Lab) -> None:
    async with lab.reader.db.transaction() as tx:
        await pausing.pause(tx, "cases")
    await lab.sender.emit(new_id())
    consumer = lab.reader.consumer()
    consumer.progressed_at = 0.0
    async with running(lab.sender.relay().run(), consumer.run()):
        await eventually(lambda: consumer.progressed_at > 0)
    assert await lab.count() == 0
