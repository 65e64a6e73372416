"""A client that goes away leaves no transaction open and no connection taken."""

import asyncio
import random

from services.kit.clock import new_id
from services.kit.db import Database
from tests.conftest import eventually
from tests.kit.harness import Lab
from tests.kit.web import Keys, make, served


def checked_out(db: Database) -> int:
    return db._staff.get_size() - db._staff.get_idle_size()


async def in_transaction(lab: Lab) -> int:
    number: int = await lab.reader.value(
        "select count(*) from pg_stat_activity where application_name = $1 and state like 'idle in transaction%'", lab.sender.name
    )
    return number


async def nothing_left(lab: Lab, db: Database) -> bool:
    return checked_out(db) == 0 and await in_transaction(lab) == 0


async def abort(port: int, token: str, patience: float) -> None:
    """Sends a whole command, or the half of one, and is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"note": "x"}'
    writer.write(
        f"POST /slow HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\nidempotency-key: {new_id()}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body if patience else body[:5])
    await writer.drain()
    try:
        await asyncio.wait_for(reader.read(1), patience)
    except TimeoutError:
        pass
    finally:
        writer.transport.abort()


async def test_1000_aborted_requests_leave_no_open_transaction(lab: Lab, keys: Keys) -> None:
    app, chance = make(lab.sender), random.Random(1)
    token = keys.token(lab.sender.name)
    async with served(app) as port:
        for _ in range(20):
            await asyncio.gather(*(abort(port, token, chance.choice([0, 0.001, 0.005, 0.02])) for _ in range(50)))
        await eventually(lambda: nothing_left(lab, app.state.db))
        async with app.state.db.transaction() as tx:
            assert await tx.conn.fetchval("select count(*) from effect where source = 'slow'") > 0


async def test_tasks_cancelled_in_the_middle_of_a_transaction_leave_none_open_and_no_effect(lab: Lab) -> None:
    db, chance = lab.sender.db, random.Random(2)

    async def work() -> None:
        async with db.transaction() as tx:
            await tx.conn.execute("insert into effect (source, key, seq, worker) values ('cancelled', 'k', 1, 'test')")
            await tx.conn.execute("select pg_sleep(30)")

    for _ in range(10):
        tasks = [asyncio.create_task(work()) for _ in range(30)]
        await asyncio.wait(tasks, timeout=chance.uniform(0, 0.05))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await eventually(lambda: nothing_left(lab, db))
    assert await lab.sender.value("select count(*) from effect") == 0
