"""What a service has no handler for raises its marks all the same, together with what it has one for."""

from collections.abc import Sequence

from contracts.common import TaskClosed
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.subscriptions import Received, Table, many
from tests.conftest import eventually
from tests.kit.harness import Lab, running


async def effect(tx: Transaction, received: Sequence[Received]) -> None:
    await tx.conn.executemany(
        "insert into effect (source, key, seq, worker) values ($1, $2, $3, 'test')",
        [(r.envelope.source, r.envelope.key, r.envelope.seq) for r in received],
    )


TABLE = Table([many(TaskClosed, effect)])


async def closed(lab: Lab, key: str) -> None:
    async with lab.sender.db.transaction() as tx:
        tx.emit(TaskClosed(task_id=new_id(), outcome="done", case_id=key))


async def test_records_without_a_handler_are_passed_within_a_second_and_leave_no_gap(lab: Lab) -> None:
    key = new_id()
    await lab.sender.emit(*[key] * 3)
    async with running(lab.sender.relay().run(), lab.reader.consumer(TABLE).run()):
        await eventually(lab.sender.published)
        await eventually(lab.caught_up)
        assert await lab.reader.value("select seq from kit.mark where key = $1", key) == 3
        await lab.sender.emit(key)
        await closed(lab, key)

        async def done() -> bool:
            return await lab.effects(key) == [5]

        await eventually(done)
        await eventually(lab.caught_up)
    assert await lab.reader.stuck() == []
    assert await lab.reader.value("select seq from kit.mark where key = $1", key) == 5
