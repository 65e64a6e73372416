"""Tries parked records again, one key at a time in order, while new arrivals of that key join its queue."""

import asyncio
from typing import Literal

import structlog

from services.kit import delivery, marks, parking
from services.kit.consumer import infrastructure
from services.kit.db import Database, Transaction, affected
from services.kit.delivery import Item
from services.kit.errors import Conflict, NotFound
from services.kit.marks import Leaving
from services.kit.subscriptions import Table

log = structlog.get_logger()

_SOME_DUE = "select exists (select from kit.parked_key where next_try <= now() and topic = any($1::text[]))"
_DUE = "select topic, key from kit.parked_key where next_try <= now() and topic = any($1::text[]) order by next_try limit 1 for update skip locked"
_LOCK = "select 1 from kit.parked_key where topic = $1 and key = $2 for update"


class Drainer:
    def __init__(self, db: Database, table: Table) -> None:
        self._db = db
        self._table = table

    async def run(self) -> None:
        while True:
            if not await self.step():
                await asyncio.sleep(0.5)

    async def step(self) -> bool:
        """Tries one due record; False when none is due."""
        topic, key = "", ""
        try:
            async with self._db.connection() as conn:
                if not await conn.fetchval(_SOME_DUE, self._table.topics):
                    return False
            async with asyncio.timeout(30), self._db.transaction() as tx:
                due = await tx.conn.fetchrow(_DUE, self._table.topics)
                if due is None:
                    return False
                topic, key = due["topic"], due["key"]
                found = await parking.first(tx.conn, topic, key)
                assert found is not None, "a parked key without records"
                item = Item.of(found[1])
                verdict = await delivery.drain(tx, self._table, topic, item)
                if verdict.reason == "gap" and item.envelope is not None:
                    wanted = await parking.missing(tx.conn, topic, key, item.envelope.source, verdict.waits_for)
                    if wanted is not None:
                        found, verdict = wanted, await delivery.drain(tx, self._table, topic, Item.of(wanted[1]))
                if verdict.reason:
                    await parking.postpone(tx.conn, topic, key, verdict.reason, verdict.cause)
                elif await parking.drop(tx.conn, found[0], topic, key):
                    log.info("key drained", topic=topic, key=key)
        except Exception as failure:  # noqa: BLE001 - whatever a handler raises keeps the record parked
            if infrastructure(failure) or isinstance(failure, marks.Overtaken) or not topic:
                await asyncio.sleep(0.5)
                return True
            async with self._db.transaction() as tx:
                await parking.postpone(tx.conn, topic, key, "failed", parking.cause_of(failure))
        return True


async def retry(tx: Transaction, topic: str, key: str, by_whom: str, reason: str) -> None:
    """Lets the drainer try this key now. Raises `NotFound`."""
    status: str = await tx.conn.execute("update kit.parked_key set next_try = now() where topic = $1 and key = $2", topic, key)
    if not affected(status):
        raise NotFound(f"nothing is parked under {topic}/{key}")
    await parking.audit(tx.conn, topic, key, "retry", by_whom, reason)


async def dismiss(
    tx: Transaction, topic: str, key: str, action: Literal["skip", "done_by_hand"], by_whom: str, reason: str, record: int | None = None
) -> None:
    """Gives up the first parked record of a key, or states that its effect was made by hand; what waits behind it goes on.

    Raises `NotFound`, or `Conflict` when `record` is given and another is first by now.
    """
    await tx.conn.fetchval(_LOCK, topic, key)
    found = await parking.first(tx.conn, topic, key)
    if found is None:
        raise NotFound(f"nothing is parked under {topic}/{key}")
    first, raw = found
    if record not in (None, first):
        raise Conflict("another record is first in this queue by now")
    envelope = Item.of(raw).envelope
    if envelope is not None and topic != "cards":
        mark = (envelope.source, envelope.key)
        known = await marks.read(tx.conn, topic, [mark])
        if envelope.seq > known[mark]:
            await marks.leave(tx.conn, Leaving(topic, {mark: (known[mark], envelope.seq)}))
    event_type, its_seq = (envelope.type, envelope.seq) if envelope else (None, None)
    await parking.audit(tx.conn, topic, key, action, by_whom, reason, event_type, its_seq)
    if not await parking.drop(tx.conn, first, topic, key):
        await parking.hasten(tx.conn, topic, key)
