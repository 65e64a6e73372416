"""A deadline fires once, whoever is alive when it is due."""

import asyncio
from datetime import timedelta
from pathlib import Path

from services.kit import deadlines
from services.kit.clock import new_id
from services.kit.db import Transaction
from services.kit.deadlines import Deadlines
from tests.conftest import eventually
from tests.kit.harness import Lab, call, running
from tests.kit.processes import Process


async def put(lab: Lab, *keys: str, seconds: float = 0, kind: str = "reminder") -> None:
    async with lab.reader.db.transaction() as tx:
        for key in keys:
            await deadlines.put(tx.conn, kind, key, tx.now + timedelta(seconds=seconds))


async def fire(tx: Transaction, key: str) -> None:
    await tx.conn.execute("insert into effect (source, key, seq, worker) values ('deadline', $1, 1, 'test')", key)


async def fired(lab: Lab) -> list[str]:
    keys: list[str] = await lab.reader.fetch("select key from effect where source = 'deadline' order by key")
    return keys


async def all_done(lab: Lab) -> bool:
    left: int = await lab.reader.value("select count(*) from kit.deadline")
    return left == 0


async def test_a_deadline_fires_once_across_two_workers_and_a_restart(lab: Lab, tmp_path: Path) -> None:
    keys = [f"{n:03}" for n in range(200)]
    await put(lab, *keys)
    killed = await Process.start(lab.reader, "deadlines", tmp_path, "deadline.before_commit", skip=3)
    await eventually(killed.reached, seconds=30)
    await eventually(killed.stopped)
    assert await killed.kill9() == -9
    assert len(await fired(lab)) == 3  # the fourth was not committed
    two = [Deadlines(lab.reader.db, {"reminder": fire}).run() for _ in range(2)]
    async with running(*two):
        await eventually(lambda: all_done(lab), seconds=30)
    assert await fired(lab) == keys


async def test_a_deadline_does_not_fire_before_its_time_nor_after_it_was_dropped_and_moves_when_put_again(lab: Lab) -> None:
    await put(lab, "later", seconds=3600)
    await put(lab, "dropped", "moved", "now")
    await put(lab, "moved", seconds=3600)
    async with lab.reader.db.transaction() as tx:
        await deadlines.drop(tx.conn, "reminder", "dropped")
    runner = Deadlines(lab.reader.db, {"reminder": fire})
    assert await runner.step()
    assert not await runner.step()
    assert await fired(lab) == ["now"]


async def test_whoever_holds_what_a_deadline_is_about_may_put_it_again_while_it_fires(lab: Lab) -> None:
    """The one that fires waits for the aggregate; were the deadline's row locked meanwhile, its holder would wait for that."""
    waiting = asyncio.Event()

    async def fire_and_lock(tx: Transaction, key: str) -> None:
        waiting.set()
        await tx.conn.execute("select from effect where key = $1 for update", key)

    await put(lab, "late")
    async with lab.reader.db.transaction() as tx:
        await fire(tx, "late")
    async with running(Deadlines(lab.reader.db, {"reminder": fire_and_lock}).run()), lab.reader.db.transaction() as holder:
        await holder.conn.execute("select from effect where key = 'late' for update")
        await waiting.wait()
        async with asyncio.timeout(5):
            await deadlines.put(holder.conn, "reminder", "late", holder.now + timedelta(hours=1))
    assert await lab.reader.fetch("select key from kit.deadline where due_at > now()") == ["late"]


async def test_a_deadline_that_fails_is_tried_again_and_keeps_nobody_waiting(lab: Lab) -> None:
    tried: list[str] = []

    async def stumble(tx: Transaction, key: str) -> None:
        tried.append(key)
        await fire(tx, key)
        if tried.count("bad") == 1 and key == "bad":
            raise LookupError

    await put(lab, "bad", seconds=-1)
    await put(lab, "good")
    async with running(Deadlines(lab.reader.db, {"reminder": stumble}).run()):
        await eventually(lambda: all_done(lab))
    assert tried == ["bad", "good", "bad"]
    assert await fired(lab) == ["bad", "good"]


async def test_a_deadline_of_a_kind_unknown_here_waits_for_who_knows_it(lab: Lab) -> None:
    await put(lab, "theirs", kind="unknown")
    assert not await Deadlines(lab.reader.db, {"reminder": fire}).step()
    assert not await all_done(lab)


async def test_what_a_deadline_emits_commits_with_it(lab: Lab) -> None:
    async def tell(tx: Transaction, key: str) -> None:
        tx.emit(call(key))

    key = new_id()
    await put(lab, key)
    assert await Deadlines(lab.reader.db, {"reminder": tell}).step()
    assert await lab.reader.fetch("select aggregateid, seq from kit.outbox") == [(key, 1)]
    assert await all_done(lab)
