"""The engines crash and come back: nothing is lost, nothing is doubled, nobody has to help."""

from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.deadlines import Deadlines
from tests.conftest import eventually
from tests.kit.harness import TABLE, Lab, Workshop, running


async def test_a_broker_that_crashes_and_returns_loses_and_doubles_nothing(own_lab: Lab, own_workshop: Workshop) -> None:
    keys, kafka = [new_id() for _ in range(20)], own_workshop.stack.kafka
    assert kafka
    async with running(own_lab.sender.relay().run(), own_lab.reader.consumer().run()):
        await own_lab.sender.emit(*keys)
        await eventually(lambda: own_lab.once(*keys, upto=1))
        kafka.kill9()
        await own_lab.sender.emit(*keys)  # a command is accepted without the broker
        await kafka.restart()
        await own_lab.sender.emit(*keys)
        await eventually(lambda: own_lab.once(*keys, upto=3), seconds=60)
    assert await own_lab.count() == 60
    assert await own_lab.reader.stuck() == []


async def test_a_database_that_crashes_and_returns_loses_and_doubles_nothing(own_lab: Lab, own_workshop: Workshop) -> None:
    keys, postgres = [new_id() for _ in range(20)], own_workshop.stack.postgres
    assert postgres

    async def fire(tx: Transaction, key: str) -> None:
        await tx.conn.execute("insert into effect (source, key, seq, worker) values ('deadline', $1, 1, 'test')", key)

    async def fired() -> int:
        number: int = await own_lab.reader.value("select count(*) from effect where source = 'deadline'")
        return number

    async with running(
        own_lab.sender.relay().run(), own_lab.reader.consumer().run(), own_lab.reader.drainer(TABLE).run(),
        Deadlines(own_lab.reader.db, {"reminder": fire}).run(),
    ):  # fmt: skip
        for _ in range(5):
            await own_lab.sender.emit(*keys)
        await eventually(own_lab.count)
        postgres.kill9()
        await postgres.restart()
        await own_lab.sender.emit(*keys)
        await eventually(lambda: own_lab.once(*keys, upto=6), seconds=60)
        async with own_lab.reader.db.transaction() as tx:
            await deadlines.put(tx.conn, "reminder", "after", tx.now)
        await eventually(fired)
    assert await own_lab.count() == 120
    assert await own_lab.reader.stuck() == []
