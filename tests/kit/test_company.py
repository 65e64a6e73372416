"""Records that nobody waits for share a transaction; none is lost, and each key keeps its order."""

from collections.abc import Sequence

from contracts.cards import MemberCard
from contracts.common import TaskClosed, TaskOpened
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.subscriptions import PATIENT_S, UNHANDLED_S, Received, Table, card, each, many, together
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


def named(event_type: str) -> list[tuple[str, bytes | None]]:
    return [("ce_specversion", b"1.0"), ("ce_type", event_type.encode())]


def test_how_long_a_record_may_wait_is_told_by_its_subscription() -> None:
    table = Table([together(effect, TaskClosed, patient=[TaskOpened]), card(MemberCard, ignore, patient=True)])
    opened, closed = (event.EVENT.full_name for event in (TaskOpened, TaskClosed))
    waits = [
        table.patience("cases", headers) for headers in (named(opened), named(closed), named("tracking.visit_started.v1"), [], [("ce_type", None)])
    ]
    assert waits == [PATIENT_S, 0, UNHANDLED_S, 0, 0]
    assert (table.unhurried("cases"), table.unhurried("cards")) == (False, True)


async def ignore(*_: object) -> None:
    pass


async def test_patient_records_are_applied_though_nobody_hurries_them(lab: Lab) -> None:
    key = new_id()
    some, all_of = Table([many(TaskOpened, effect, patient=True), many(TaskClosed, effect)]), Table([many(TaskOpened, effect, patient=True)])
    async with running(lab.sender.relay().run()):
        for seq, table in enumerate((some, all_of), 1):
            async with running(lab.reader.consumer(table).run()):
                await lab.sender.emit(key)
                await eventually(lambda seq=seq: lab.once(key, upto=seq))  # type: ignore[misc]


async def test_events_of_several_types_come_to_their_handler_in_one_call_and_in_order(lab: Lab) -> None:
    keys = [new_id() for _ in range(5)]
    await tell(lab, keys)
    calls: list[int] = []

    async def counted(tx: Transaction, received: Sequence[Received]) -> None:
        calls.append(len(received))
        await effect(tx, received)

    async with running(lab.reader.consumer(Table([together(counted, TaskOpened, patient=[TaskClosed])])).run()):
        await eventually(lab.caught_up)
    assert [await lab.effects(key) for key in keys] == [[1, 2, 3]] * 5
    partitions = await lab.reader.value("select count(*) from kit.position where topic = 'cases'")
    assert sum(calls) == 15
    assert len(calls) <= partitions


async def test_a_key_keeps_its_order_across_handlers_of_one_and_of_several_types(lab: Lab) -> None:
    keys = [new_id() for _ in range(5)]
    await tell(lab, keys)

    async def one(tx: Transaction, event: TaskClosed) -> None:
        await tx.conn.execute("insert into effect (source, key, seq, worker) values ($1, $2, 2, 'test')", lab.sender.name, event.case_id)

    async with running(lab.reader.consumer(Table([each(TaskClosed, one), together(effect, TaskOpened)])).run()):
        await eventually(lab.caught_up)
    assert [await lab.effects(key) for key in keys] == [[1, 2, 3]] * 5


async def tell(lab: Lab, keys: list[str]) -> None:
    """Of each case that a task was opened, closed, opened; all of it is in the log before anybody reads."""
    await lab.sender.emit(*keys)
    for key in keys:
        await closed(lab, key)
    await lab.sender.emit(*keys)
    async with running(lab.sender.relay().run()):
        await eventually(lab.sender.published)
