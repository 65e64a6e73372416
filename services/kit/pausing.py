"""A consumer that parks too much at once stops and asks: then the fault is ours, not the records'."""

from typing import Any

from contracts.common import TaskClosed, TaskOpened
from services.kit import parking
from services.kit.clock import new_id
from services.kit.db import Transaction, affected


async def is_paused(conn: Any, topic: str) -> bool:
    paused: bool = await conn.fetchval("select exists (select from kit.paused where topic = $1)", topic)
    return paused


async def pause(tx: Transaction, topic: str) -> None:
    task_id = new_id()
    status: str = await tx.conn.execute(
        "insert into kit.paused (topic, task_id, since) values ($1, $2, now()) on conflict do nothing", topic, task_id
    )
    if affected(status):
        tx.emit(TaskOpened(task_id=task_id, kind="consumer_paused", role="admin", due_at=tx.now))


async def resume(tx: Transaction, topic: str, by_whom: str, reason: str) -> bool:
    """False when it was not paused. Keys stay parked and are retried."""
    task_id = await tx.conn.fetchval("delete from kit.paused where topic = $1 returning task_id", topic)
    if task_id is None:
        return False
    await parking.audit(tx.conn, topic, "*", "resume", by_whom, reason)
    await tx.conn.execute("update kit.parked_key set next_try = now() where topic = $1 and reason = 'failed'", topic)
    tx.emit(TaskClosed(task_id=task_id, outcome="resumed"))
    return True


async def paused_topics(conn: Any) -> list[str]:
    return [row["topic"] for row in await conn.fetch("select topic from kit.paused order by topic")]
