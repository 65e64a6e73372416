"""A database restored from a backup goes on from its own positions, or refuses to start when the log knows more of it than it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.kit import tail
from services.kit.clock import new_id
from services.kit.db import Connection
from services.kit.tail import LogIsAhead
from tests.conftest import eventually
from tests.kit.harness import Lab, Service, Workshop, running
from tests.kit.processes import Process


async def back_up(workshop: Workshop, service: Service) -> str:
    backup = f"{service.database}_backup"
    await service.db.close()
    await workshop.execute(f"drop database if exists {backup}")
    await workshop.copy(service.database, backup)
    await service.connect()
    return backup


async def restore(workshop: Workshop, service: Service, backup: str) -> None:
    await service.db.close()
    await workshop.execute(f"drop database {service.database}")
    await workshop.copy(backup, service.database)
    await service.connect()


async def play(lab: Lab, keys: list[str], upto: int) -> None:
    async with running(lab.sender.relay().run(), lab.reader.consumer().run(), lab.reader.relay().run()):
        await lab.sender.emit(*keys)
        await eventually(lambda: lab.once(*keys, upto=upto), seconds=30)
        await eventually(lab.reader.published)


async def test_a_reader_restored_from_an_older_backup_catches_up_from_its_own_positions(own_lab: Lab, own_workshop: Workshop) -> None:
    keys = [new_id() for _ in range(20)]
    await own_lab.reader.emit(new_id(), new_id())  # what it says itself is all in the backup
    await play(own_lab, keys, 1)
    backup = await back_up(own_workshop, own_lab.reader)
    await play(own_lab, keys, 2)
    await play(own_lab, keys, 3)
    await restore(own_workshop, own_lab.reader, backup)
    assert await own_lab.count() == 20
    await tail.check(own_lab.reader.db, own_lab.reader.kafka)
    await play(own_lab, keys, 4)
    assert await own_lab.count() == 80
    assert await own_lab.reader.stuck() == []


async def test_a_service_whose_last_events_are_not_in_its_backup_refuses_to_start(own_lab: Lab, own_workshop: Workshop) -> None:
    keys = [new_id() for _ in range(20)]
    await play(own_lab, keys, 1)
    backup = await back_up(own_workshop, own_lab.sender)
    await tail.check(own_lab.sender.db, own_lab.sender.kafka)
    await play(own_lab, keys, 2)
    await restore(own_workshop, own_lab.sender, backup)
    with pytest.raises(LogIsAhead, match=r"ending at row 20, lacks: it was restored from a backup older than its own events"):
        await tail.check(own_lab.sender.db, own_lab.sender.kafka)
    code, said = await Process.told(own_lab.sender, "worker")
    assert code == 1
    assert f"{own_lab.sender.name}: the log holds common.task_opened.v1" in said


async def test_a_row_that_committed_late_and_is_missing_in_the_backup_is_found_below_its_last_row(own_lab: Lab) -> None:
    late, key = new_id(), new_id()
    await own_lab.sender.emit(late)
    await own_lab.sender.emit(key)
    await play(own_lab, [key], 2)
    async with own_lab.sender.db.transaction() as tx:  # the image of a snapshot taken while the first was open
        await tx.conn.execute("delete from kit.outbox where aggregateid = $1", late)
        await tx.conn.execute("delete from kit.counter where key = $1", late)
        await tx.conn.execute("delete from kit.published")
    with pytest.raises(LogIsAhead, match=r"row 1, cases-"):
        await tail.check(own_lab.sender.db, own_lab.sender.kafka)


async def test_rows_sent_and_not_noted_before_the_backup_are_no_reason_to_refuse(own_lab: Lab) -> None:
    keys = [new_id() for _ in range(20)]
    await play(own_lab, keys, 1)
    async with own_lab.sender.db.transaction() as tx:
        await tx.conn.execute("delete from kit.published")
    await own_lab.sender.send_again()
    await tail.check(own_lab.sender.db, own_lab.sender.kafka)
    await play(own_lab, keys, 2)
    assert await own_lab.count() == 40


async def test_a_second_process_may_start_while_the_first_is_emitting(own_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first says once the second has read where log and database end lies behind both."""
    key = new_id()
    await play(own_lab, [key], 1)
    async with own_lab.sender.db.transaction() as tx:
        await tx.conn.execute("delete from kit.published")
    read = own_lab.sender.db.connection

    @asynccontextmanager
    async def then_the_first_goes_on() -> AsyncIterator[Connection]:
        async with read() as conn:
            yield conn
        monkeypatch.undo()
        await play(own_lab, [key], 2)

    monkeypatch.setattr(own_lab.sender.db, "connection", then_the_first_goes_on)
    await tail.check(own_lab.sender.db, own_lab.sender.kafka)
    assert await own_lab.once(key, upto=2)


async def test_a_topic_replayed_from_offset_0_changes_nothing(own_lab: Lab) -> None:
    keys = [new_id() for _ in range(20)]
    for upto in (1, 2, 3):
        await play(own_lab, keys, upto)
    before = await own_lab.reader.fetch("select id, key, seq, at from effect where source = $1 order by id", own_lab.sender.name)
    marks = await own_lab.reader.fetch("select * from kit.mark where source = $1 order by key", own_lab.sender.name)
    async with own_lab.reader.db.transaction() as tx:
        await tx.conn.execute("delete from kit.position")
    async with running(own_lab.reader.consumer().run()):
        await eventually(own_lab.caught_up, seconds=30)
    assert await own_lab.reader.fetch("select id, key, seq, at from effect where source = $1 order by id", own_lab.sender.name) == before
    assert await own_lab.reader.fetch("select * from kit.mark where source = $1 order by key", own_lab.sender.name) == marks
    assert await own_lab.reader.stuck() == []


async def test_a_running_consumer_reads_again_from_where_an_operator_sets_it_back_though_nothing_new_comes(own_lab: Lab) -> None:
    keys = [new_id() for _ in range(20)]
    async with running(own_lab.reader.consumer().run()):
        async with running(own_lab.sender.relay().run()):
            await own_lab.sender.emit(*keys)
            await eventually(own_lab.sender.published)
        await eventually(own_lab.caught_up, seconds=30)
        before = await own_lab.reader.fetch("select id, key, seq, at from effect where source = $1 order by id", own_lab.sender.name)
        async with own_lab.reader.db.transaction() as tx:
            await tx.conn.execute("update kit.position set next_offset = 0")
        await eventually(own_lab.caught_up, seconds=30)
    assert await own_lab.reader.fetch("select id, key, seq, at from effect where source = $1 order by id", own_lab.sender.name) == before
    assert await own_lab.reader.stuck() == []
