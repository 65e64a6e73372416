"""Several workers share the partitions; one that still believes to own a partition does no harm."""

from collections.abc import Sequence
from dataclasses import replace

from services.kit import marks
from services.kit.clock import new_id
from services.kit.consumer import Consumer
from services.kit.db import Database, Transaction
from services.kit.marks import Leaving
from services.kit.subscriptions import Received, Table, every
from tests.conftest import eventually
from tests.kit.harness import Lab, keep, running

KEYS = 60


def table(worker: str) -> Table:
    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        await keep(tx, received, worker)

    return Table([every("cases", handle)])


async def worked(lab: Lab) -> set[str]:
    return set(await lab.reader.fetch("select distinct worker from effect"))


async def test_a_rebalance_between_two_workers_loses_and_doubles_nothing(lab: Lab) -> None:
    keys = [new_id() for _ in range(KEYS)]
    second = await replace(lab.reader).connect()
    upto = 0

    async def more() -> None:
        nonlocal upto
        await lab.sender.emit(*keys)
        upto += 1

    async def both() -> bool:
        await more()
        return await worked(lab) == {"first", "second"}

    try:
        async with running(lab.sender.relay().run()):
            async with running(lab.reader.consumer(table("first")).run()):
                await more()
                await eventually(lambda: lab.once(*keys, upto=1))
                async with running(Consumer(second, lab.reader.kafka, "cases", table("second")).run()):
                    await eventually(both, every=0.2)  # the second has joined while records came
                await more()
            async with running(Consumer(second, lab.reader.kafka, "cases", table("third")).run()):
                await more()
                await eventually(lambda: lab.once(*keys, upto=upto), seconds=30)
    finally:
        await second.close()
    assert await lab.count() == KEYS * upto
    assert await lab.reader.stuck() == []


async def test_two_consumers_that_both_own_every_partition_make_each_effect_once(lab: Lab) -> None:
    """As after a partition that the broker gave away while its old owner was asleep."""
    keys = [new_id() for _ in range(KEYS)]
    url = lab.reader.settings.database_url.get_secret_value()
    ghost = await Database.connect(f"{lab.reader.name}-ghost", url)  # another name: another group
    try:
        async with running(lab.sender.relay().run()):
            for _ in range(40):
                await lab.sender.emit(*keys)
            async with running(lab.reader.consumer(table("owner")).run(), Consumer(ghost, lab.reader.kafka, "cases", table("ghost")).run()):
                await eventually(lambda: lab.once(*keys, upto=40), seconds=40)
                await eventually(lab.caught_up)
    finally:
        await ghost.close()
    assert await lab.count() == KEYS * 40
    assert await lab.reader.stuck() == []


async def test_a_batch_that_another_worker_has_begun_is_read_again_from_where_that_one_stopped(lab: Lab) -> None:
    """Whatever was polled behind it must not be applied first."""
    key, interfered = new_id(), False
    other = await replace(lab.reader).connect()

    async def handle(tx: Transaction, received: Sequence[Received]) -> None:
        nonlocal interfered
        if not interfered:
            interfered = True
            ends = await lab.probe.end_offsets(list(lab.ends))
            [(partition, start)] = [(tp, start) for tp, start in lab.ends.items() if ends[tp] > start]
            async with other.transaction() as theirs:
                await keep(theirs, received[:10], "other")
                await marks.leave(theirs.conn, Leaving("cases", {(lab.sender.name, key): (0, 10)}, False, partition.partition, start, start + 10))
        await keep(tx, received)

    try:
        await lab.sender.emit(*[key] * 150)
        async with running(lab.sender.relay().run()):
            await eventually(lab.sender.published)
        async with running(lab.reader.consumer(Table([every("cases", handle)])).run()):
            await eventually(lambda: lab.once(key, upto=150))
    finally:
        await other.close()
    assert await lab.reader.stuck() == []
